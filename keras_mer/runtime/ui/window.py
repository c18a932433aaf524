"""OpenCV window with a check of the display first: Qt aborts the process without one."""

import os
import re
import socket
import sys

import cv2
import numpy as np

from keras_mer.errors import UserError

#: Key code of Esc.
ESCAPE = 27


def check_display() -> None:
    """Check that a window can be opened.

    Raises:
        UserError: without a display server, or one that does not answer.
    """
    if not sys.platform.startswith("linux"):
        return
    display = os.environ.get("DISPLAY", "")
    if not display and not os.environ.get("WAYLAND_DISPLAY"):
        raise UserError("no display: DISPLAY is not set; on a desktop start it there")
    if display.startswith(":"):
        number = display[1:].split(".")[0]
        for address in (f"\0/tmp/.X11-unix/X{number}", f"/tmp/.X11-unix/X{number}"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                if probe.connect_ex(address) == 0:
                    return
        raise UserError(f"no display: nothing answers at DISPLAY={display}")


class Window:
    """A resizable window that shows frames and reports keys.

    Raises:
        UserError: when no window can be opened.
    """

    def __init__(self, title: str):
        try:
            check_display()
        except UserError as error:
            raise UserError(f"{error}, or use --no-display") from None
        if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
            raise UserError("this OpenCV is headless and has no windows; use --no-display")
        self.title = title
        # Qt warns about a font folder that the wheel does not contain.
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._sized = False

    def show(self, image: np.ndarray, wait: float = 0.0) -> int | None:
        """Show a frame and return the key pressed meanwhile, or None.

        Args:
            image: uint8 BGR.
            wait: seconds to wait for a key, at least a millisecond.

        Returns:
            The key's code; also `ESCAPE` when the window was closed.
        """
        if not self._sized:
            cv2.resizeWindow(self.title, image.shape[1], image.shape[0])
            self._sized = True
        cv2.imshow(self.title, image)
        key = cv2.waitKey(max(1, round(wait * 1000)))
        if not self._open():
            return ESCAPE
        return None if key < 0 else key & 0xFF

    def close(self) -> None:
        """Close the window."""
        if self._open():
            cv2.destroyWindow(self.title)

    def _open(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # raised by Qt when its last window was closed
            return False
