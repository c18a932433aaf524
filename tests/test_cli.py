import errno

import pytest

from keras_mer.cli import run_script
from keras_mer.errors import UserError


def run(main, capsys):
    with pytest.raises(SystemExit) as exit_:
        run_script(main)
    return exit_.value.code, capsys.readouterr().err


def fail(error):
    def main():
        raise error

    return main


def test_a_user_error_is_one_line_and_status_2(capsys):
    assert run(fail(UserError("no such thing")), capsys) == (2, "error: no such thing\n")


def test_a_full_disk_is_one_line_and_status_2(capsys):
    full = OSError(errno.ENOSPC, "No space left on device", "/data/x.npy")
    assert run(fail(full), capsys) == (2, "error: No space left on device: /data/x.npy\n")


def test_an_interruption_is_status_130(capsys):
    assert run(fail(KeyboardInterrupt()), capsys) == (130, "error: interrupted\n")


def test_a_bug_keeps_its_traceback(capsys):
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 // 0)


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3)])
def test_the_status_is_what_main_returns(returned, status, capsys):
    assert run(lambda: returned, capsys) == (status, "")
