"""The archive: only what a job wrote, in one order, within bounds."""

import os
import tarfile
from pathlib import Path

import pytest

from headrace.compute.archive import TooLarge, write_archive


def archive(folder: Path, target: Path, bytes_max: int = 1 << 20) -> list[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return write_archive(descriptor, target, bytes_max=bytes_max).left_out
    finally:
        os.close(descriptor)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


def test_the_same_outputs_give_the_same_bytes_whenever_and_in_whatever_order_they_were_written(
    outputs: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for folder, names in ((outputs, "abc"), (other, "cba")):
        for name in names:
            (folder / name).write_text(name)
            os.utime(folder / name, (ord(names[0]), ord(names[0])))
    archive(outputs, tmp_path / "1.tar")
    archive(other, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_names_are_relative_whatever_bytes_they_are_made_of(outputs: Path, tmp_path: Path) -> None:
    (outputs / "d").mkdir()
    (outputs / "d" / ("long" * 50)).write_text("x")
    (outputs / os.fsdecode(b"\xff\n")).write_text("y")
    assert archive(outputs, tmp_path / "1.tar") == []
    with tarfile.open(tmp_path / "1.tar", errors="surrogateescape") as tar:
        names = tar.getnames()
    assert names == ["d", "d/" + "long" * 50, os.fsdecode(b"\xff\n")]


def test_of_rights_only_that_to_be_run_is_kept(outputs: Path, tmp_path: Path) -> None:
    for name, mode in (("run", 0o4777), ("read", 0o600)):
        (outputs / name).write_text("")
        (outputs / name).chmod(mode)
    archive(outputs, tmp_path / "1.tar")
    with tarfile.open(tmp_path / "1.tar") as tar:
        assert {e.name: (oct(e.mode), e.uid, e.uname, e.mtime) for e in tar} == {
            "read": ("0o644", 0, "", 0),
            "run": ("0o755", 0, "", 0),
        }


def test_links_and_what_is_no_file_are_named_and_left_out(outputs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (outputs / "link").symlink_to(tmp_path / "secret")
    (outputs / "folder").symlink_to(tmp_path)
    os.mkfifo(outputs / "pipe")
    assert archive(outputs, tmp_path / "1.tar") == [
        "'folder': is a link",
        "'link': is a link",
        "'pipe': is neither a file nor a folder",
    ]
    assert b"s3cret" not in (tmp_path / "1.tar").read_bytes()


def test_too_much_is_refused_before_it_is_written(outputs: Path, tmp_path: Path) -> None:
    (outputs / "a").write_bytes(b"x" * 600)
    (outputs / "b").write_bytes(b"x" * 600)
    with pytest.raises(TooLarge, match="outputs have more than 1000 bytes"):
        archive(outputs, tmp_path / "1.tar", bytes_max=1000)


def test_a_well_of_folders_has_a_bottom(outputs: Path, tmp_path: Path) -> None:
    (outputs / "/".join("d" * 40)).mkdir(parents=True)
    (left_out,) = archive(outputs, tmp_path / "1.tar")
    assert left_out.endswith("is more than 32 folders deep")
