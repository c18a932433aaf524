"""Score an exported model on its own dataset, and measure what disturbances cost it.

The dataset and its split are those of the recipe in the model's card.
"""

import argparse
import json
from pathlib import Path

from keras_mer.cli import run_script
from keras_mer.errors import UserError
from keras_mer.runtime.options import DEFAULT_MODEL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(DEFAULT_MODEL), help="exported model")
    parser.add_argument("--variant", help="TFLite variant (default: the card's)")
    parser.add_argument(
        "--data", action="append", default=[], metavar="[SOURCE=]PATH", help="path of the dataset"
    )
    parser.add_argument(
        "--split",
        choices=["validation", "test"],
        help="default: test if the recipe's split has one, else validation",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a recipe value"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()

    from keras_mer.config import recipe as recipes
    from keras_mer.data import build, inputs
    from keras_mer.evaluation import bootstrap, disturbances, report
    from keras_mer.files import write_json
    from keras_mer.labels import check_same_classes
    from keras_mer.progress import track
    from keras_mer.runtime import card as cards
    from keras_mer.runtime.interpreter import TFLiteModel

    card = cards.read(args.model)
    stored = json.loads((args.model / cards.FILE).read_text("utf-8")).get("training", {})
    if card.task != "image" or "recipe" not in stored:
        raise UserError(f"{args.model}: expected a model of photographs whose card has its recipe")
    recipe = recipes.parse(stored["recipe"], f"{args.model / cards.FILE}: training.recipe")
    recipe = recipes.overridden(recipe, args.set, args.data)
    keywords = build.keywords(recipe)
    try:
        manifest, _ = build.build(keywords.pop("sources"), progress=track, **keywords)
    except UserError as error:
        print(f"disturbances: left out ({error}); DATA=PATH names the dataset")
        return
    check_same_classes(card.classes, manifest.classes, where=str(args.model))
    split = args.split or ("test" if manifest.counts("split")["test"] else "validation")
    part = manifest.part(split)
    faces = inputs.load(part, "image", card.input_shape, cache="data/cache", progress=track)
    truth, model = part.labels(), TFLiteModel(card.file(args.variant))
    probabilities = model.predict(faces)
    found = bootstrap.estimate(truth, probabilities.argmax(1), len(card.classes)).intervals()
    table = disturbances.table(model.predict, faces, truth, probabilities)
    print(
        f"\n{card.name}, {model.path.name}: {len(truth):,} faces of {split}, accuracy "
        f"{report.percent(found['accuracy'])}, UAR {report.percent(found['uar'])}\n"
    )
    print(report.disturbances(table))
    if args.json:
        write_json(args.json, {"model": card.name, "split": split, "scores": found} | table)


if __name__ == "__main__":
    run_script(main)
