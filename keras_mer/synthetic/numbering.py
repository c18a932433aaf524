"""Order of the action units in arrays."""

#: FACS numbers of the AUs that can be drawn, in the order of an AU array's last axis.
ACTION_UNITS = (
    "1", "2", "4", "5", "6", "7", "9", "10", "12", "14", "15", "16", "17", "20", "23", "24", "25",
    "26", "43",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(ACTION_UNITS)}
