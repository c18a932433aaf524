"""The command as a user types it."""

from tests.commands import run, run_here
from tests.people import recipe, write


def write_recipe(folder):
    """The linear SVM's, which refuses what only a network has."""
    recipe().changed({"augment": {}, "training": {}}).write(folder / "floor.yaml")


def test_from_a_folder_of_flow_images_to_a_compared_score(tmp_path):
    write(tmp_path / "people")
    write_recipe(tmp_path)
    done = run("loso", "--recipe", "floor.yaml", "--run", "floor", "--jobs", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "48 samples of 8 subjects, 8 folds and seeds" in done.stdout
    assert "| all | 48 |" in done.stdout and "leaky" not in done.stdout
    again = run_here("loso", "--recipe", "floor.yaml", "--run", "folds", "--protocol", "kfold",
                     "--jobs", 1, "--compare", "floor", cwd=tmp_path)  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "people, kfold" in again.stdout
    assert "against floor, 48 clips of 8 subjects, paired bootstrap" in again.stdout
    resumed = run_here("loso", "--recipe", "floor.yaml", "--run", "floor", cwd=tmp_path)
    assert "8 done before" in resumed.stdout


def test_errors_are_one_line(tmp_path):
    write(tmp_path / "people", subjects=4)
    write_recipe(tmp_path)
    for arguments, message in (
        (("--data", "nowhere"), "no flow-images dataset at nowhere"),
        (("--protocol", "dataset", "--set", "protocol.foldz=3"), "did you mean 'folds'"),
        (("--protocol", "kfold"), "no more than the 4 subjects"),
        (("--set", "training.epochs=3"), "training.epochs=3 has no effect in make loso"),
        (("--backend", "dusk"), "did you mean 'dask'"),
    ):
        done = run_here("loso", "--recipe", "floor.yaml", *arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stdout + done.stderr
        (line,) = [x for x in done.stderr.splitlines() if x.startswith("error:")]
        assert message in line and "Traceback" not in done.stderr
