"""Capture labeled face crops from a live view into a gallery of class folders."""

import argparse
import sys

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.face.detection import VIDEO_SIDE
from keras_mer.runtime.io.frame_reader import FrameReader
from keras_mer.runtime.io.video import open_source
from keras_mer.runtime.options import add_model_options, load_recogniser
from keras_mer.runtime.pipeline import Pipeline
from keras_mer.runtime.ui.gallery import Gallery
from keras_mer.runtime.ui.window import check_display


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Keys: space captures the largest face, 0 labels it as predicted and 1 to 9 as a "
        "class, q or Esc ends. The gallery is a folder of class folders, which `make split` reads "
        "like any other dataset.",
    )
    parser.add_argument(
        "--source",
        default="0",
        help="camera number, stream address, or a video file or folder played like a camera "
        "(default: 0)",
    )
    parser.add_argument(
        "--gallery", default="data/gallery", help="folder of the crops (default: data/gallery)"
    )
    parser.add_argument(
        "--smoothing", type=float, default=0.4, metavar="SECONDS", help="half-life (default: 0.4)"
    )
    add_model_options(parser)
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    check_display()
    try:
        from keras_mer.runtime.ui.capture import CaptureWindow
    except ImportError:
        raise UserError(
            "this Python has no Tkinter, which the window needs (Debian: apt-get install "
            "python3-tk; pyenv: install tk-dev, then build Python again)"
        ) from None
    recogniser = load_recogniser(options, VIDEO_SIDE)
    gallery = Gallery(options.gallery, recogniser.classes)
    source = open_source(
        options.source, as_camera=True, log=lambda line: print(line, file=sys.stderr)
    )
    window = CaptureWindow(
        FrameReader(source), Pipeline(recogniser, smoothing=options.smoothing), gallery
    )
    window.run()
    print(f"{len(gallery.pictures())} faces in {gallery.folder}")


if __name__ == "__main__":
    run_script(main)
