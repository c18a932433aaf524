"""Dark ttk style of the Tkinter windows."""

import tkinter as tk
from tkinter import font, ttk

GROUND, SURFACE, RAISED, LINE = "#1b1d22", "#24272e", "#323640", "#3d424e"
BEHIND = "#121317"  # of a picture that does not fill its place
INK, FAINT = "#e8eaee", "#9aa1ad"
ACCENT, ACCENT_BRIGHT, ON_ACCENT = "#f2b84b", "#ffcf70", "#1b1d22"
WARNING = "#ff7a6b"


def apply(root: tk.Tk) -> None:
    """Set colors, fonts and spacing of all ttk widgets below `root`.

    Styles beside ttk's own: `Surface.TFrame` and `Surface.TLabel` on a panel, `Faint.TLabel` for
    hints, `Title.TLabel`, `Accent.TButton` for the main action, `Small.TButton` and
    `Small.TCombobox` on cards.
    """
    root.configure(background=GROUND)
    for name, size in (("TkDefaultFont", 10), ("TkTextFont", 10)):
        font.nametofont(name, root).configure(size=size)
    family = font.nametofont("TkDefaultFont", root).actual("family")
    style = ttk.Style(root)
    style.theme_use("clam")
    flat = {"bordercolor": LINE, "lightcolor": RAISED, "darkcolor": RAISED, "relief": "flat"}
    style.configure(".", background=GROUND, foreground=INK, troughcolor=SURFACE, focuscolor=LINE)
    style.configure("Surface.TFrame", background=SURFACE)
    style.configure("Surface.TLabel", background=SURFACE)
    style.configure("Faint.TLabel", foreground=FAINT)
    style.configure("Faint.Surface.TLabel", background=SURFACE, foreground=FAINT)
    style.configure("Title.TLabel", font=(family, 13, "bold"))
    style.configure("TPanedwindow", background=GROUND)
    style.configure("Sash", sashthickness=8, background=GROUND, gripcount=0, **flat)
    style.configure("TButton", background=RAISED, padding=(12, 7), **flat)
    style.map("TButton", background=[("active", LINE)])
    bright = {"bordercolor": ACCENT, "lightcolor": ACCENT, "darkcolor": ACCENT}
    style.configure(
        "Accent.TButton", background=ACCENT, foreground=ON_ACCENT, font=(family, 10, "bold"),
        **bright,
    )  # fmt: skip
    style.map("Accent.TButton", background=[("active", ACCENT_BRIGHT)])
    style.configure("Small.TButton", padding=(2, 3))
    field = {"fieldbackground": RAISED, "background": RAISED, "foreground": INK, "arrowcolor": INK}
    style.configure("TCombobox", padding=(8, 6), selectbackground=RAISED, **field, **flat)
    style.configure("Small.TCombobox", padding=(4, 2))
    style.map(
        "TCombobox",
        fieldbackground=[("readonly", RAISED)],
        background=[("active", LINE)],
        foreground=[("readonly", INK)],
        selectforeground=[("readonly", INK)],
    )
    style.configure("TScrollbar", background=RAISED, arrowcolor=FAINT, gripcount=0, **flat)
    style.map("TScrollbar", background=[("active", LINE), ("disabled", SURFACE)])
    # The list of a combobox is a plain Tk widget.
    for option, value in (
        ("background", RAISED),
        ("foreground", INK),
        ("selectBackground", ACCENT),
        ("selectForeground", ON_ACCENT),
        ("borderWidth", 0),
    ):
        root.option_add(f"*TCombobox*Listbox.{option}", value)
