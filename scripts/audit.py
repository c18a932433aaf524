"""Audit a dataset: leaks between its splits and unusable samples, row by row."""

import argparse
from pathlib import Path

from keras_mer.cli import load_recipe, run_script
from keras_mer.config import options


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="With a recipe, the data is audited before split removes duplicates; with "
        "--manifest, that manifest is audited.",
    )
    options.add_recipe_options(parser, example="split.method=stratified")
    parser.add_argument("--manifest", type=Path, help="audit this manifest instead of a recipe")
    parser.add_argument(
        "--no-near", action="store_true", help="skip the search for near-duplicates (all pairs)"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if there are leaks between splits"
    )
    parser.add_argument(
        "--out", type=Path, help="folder to write (default: data/audits/RECIPE-OR-MANIFEST)"
    )
    args = parser.parse_args()

    from keras_mer.data import build, frame_sampling
    from keras_mer.data.audit import audit
    from keras_mer.data.manifest import Manifest
    from keras_mer.progress import track

    near = not args.no_near
    if args.manifest:
        name = args.manifest.stem
        report = audit(Manifest.read(args.manifest), near=near, progress=track)
    else:
        recipe = load_recipe(args, command="audit")
        name, how = recipe.name, build.keywords(recipe)
        del how["drop_duplicates"]
        _, report = build.prepare(how.pop("sources"), near=near, progress=track, **how)
    page, table = report.write(args.out or Path("data/audits") / name)
    for what, count in report.summary():
        print(f"{'-' if count is None else format(count, ','):>9}  {what}")
    print(*frame_sampling.table(report.frames), sep="\n", end="\n" * bool(report.frames))
    print(f"wrote {page} and {table}")
    return int(args.strict and bool(report.across or report.subjects))


if __name__ == "__main__":
    run_script(main)
