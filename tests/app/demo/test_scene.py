from pathlib import Path

from headrace.app.demo.scene import new_scene


def test_scenes_of_one_process_at_one_moment_have_folders_of_their_own(tmp_path: Path) -> None:
    scenes = [new_scene(tmp_path) for _ in range(4)]
    folders = {scene.folder for scene in scenes}
    assert len(folders) == 4 and all(folder.is_dir() for folder in folders)
    assert (tmp_path / ".headrace" / "latest").resolve() == scenes[-1].folder.resolve()


def test_a_scene_that_still_plays_is_not_removed_for_newer_ones(tmp_path: Path) -> None:
    scenes = [new_scene(tmp_path) for _ in range(8)]
    assert all(scene.folder.is_dir() for scene in scenes)
