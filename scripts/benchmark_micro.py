"""Measure a flow model of brief expressions on drawn people, their motion computed by its card.

Seven emotions, read as negative, positive and surprise, from the onset to the apex of each clip.
Choose with some seeds, and report the score of others.
"""

import argparse

import numpy as np

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.runtime.options import DEFAULT_MICRO

CLASSES = {
    "angry": "negative",
    "contempt": "negative",
    "disgust": "negative",
    "fear": "negative",
    "sad": "negative",
    "happy": "positive",
    "surprise": "surprise",
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MICRO, help="flow model (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202], help="of the people")
    parser.add_argument("--people", type=int, default=14, help="of each seed (default: 14)")
    parser.add_argument("--detector", default="auto", help="face detector (default: auto)")
    parser.add_argument("--method", help="of the flow, instead of the card's")
    parser.add_argument("--margin", type=float, help="of the face, instead of the card's")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()

    from keras_mer import synthetic
    from keras_mer.face import motion
    from keras_mer.face.detect import make_detector
    from keras_mer.face.prepare import prepare
    from keras_mer.runtime import Recogniser
    from keras_mer.runtime.card import video_preprocessing

    recogniser = Recogniser.load(args.model, detector=make_detector(args.detector))
    if recogniser.card.task != "flow":
        raise UserError(f"{args.model}: expected a flow model")
    made = video_preprocessing(recogniser.card, recogniser.detector)
    margin = made.margin if args.margin is None else args.margin
    emotions, right, amplitudes = [], [], []
    for seed in args.seeds:
        random = np.random.default_rng(seed)
        for number in range(args.people * len(CLASSES)):
            person, emotion = 1 + number // len(CLASSES), list(CLASSES)[number % len(CLASSES)]
            clip = synthetic.draw_clip(
                person, emotion, random.uniform(0.25, 0.5), 0, 1, 2, 3, 6.0, 160,
                margin=0.3, noise=0.9, seed=seed, index=number + 1,
            )  # fmt: skip
            onset, apex = prepare(
                clip.frames[:2], made.side, margin, detector=recogniser.detector,
                register=made.register,
            ).frames  # fmt: skip
            field, strain = motion.flow_and_strain(
                onset, apex, args.method or made.flow, head=made.head_motion != "kept"
            )
            image = motion.flow_image(field, strain, recogniser.card.height)
            emotions.append(emotion)
            right.append(recogniser.predict_flow(image).label == CLASSES[emotion])
            amplitudes.append(motion.amplitude(field))
    emotions, right, amplitudes = map(np.array, (emotions, right, amplitudes))
    truth = np.array([CLASSES[name] for name in emotions])
    recall = {name: right[truth == name].mean() for name in np.unique(truth)}
    rest = (truth == "negative") & (emotions != "fear")
    print(f"{len(truth)} clips, faces by {recogniser.detector_name}:")
    print(f"  UAR {np.mean(list(recall.values())):.3f}")
    print("  recall " + ", ".join(f"{name} {value:.2f}" for name, value in recall.items()))
    print(f"  negative without fear {right[rest].mean():.2f}")
    print("  " + ", ".join(f"{name} {right[emotions == name].mean():.2f}" for name in CLASSES))
    low, high = np.percentile(amplitudes, [10, 90])
    print(f"  amplitude {low:.2%} to {high:.2%} of the face's width (80 % of the clips)")


if __name__ == "__main__":
    run_script(main)
