"""The table of faults in latent_diffusion/README.md: each row happens here, or in the test named.

Whatever is given: the exit status of the table, one line, no traceback, nothing lost. What is given
is in faults/.
"""

import re
from pathlib import Path

import faults_of_data
import faults_of_runs
import pytest
from fault_places import Place

from latent_diffusion.data import arrays
from latent_diffusion.data import prepare as prepare_module
from latent_diffusion.data.sources import svhn
from latent_diffusion.data.store import Dataset

HERE = Path(__file__).parent
README = HERE.parents[1] / "latent_diffusion" / "README.md"
HERE_HAPPENS = faults_of_runs.FAULTS | faults_of_data.FAULTS
ELSEWHERE = {
    "a zip bomb among pictures": "data/test_prepare.py::test_zip_bombs",
    "a picture that crashes or hangs its decoder": (
        "data/test_pool.py::test_a_crash_or_a_hang_costs_one_image_each"
    ),
    "`ldm prepare` killed while it writes": (
        "data/test_store.py::test_a_killed_prepare_leaves_the_old_data_set"
    ),
    "a second training on one run": (
        "test_lock.py::test_a_training_is_refused_and_readers_are_not"
    ),
    "a file system without locks": (
        "test_lock.py::test_without_locks_one_line_says_so_and_it_goes_on"
    ),
    "the newest checkpoint damaged, and `--resume`": (
        "training/test_faults.py::test_a_damaged_checkpoint_falls_back_to_the_other_and_ends_alike"
    ),
    "another optimizer, and `--resume`": (
        "training/test_faults.py::test_the_state_of_another_optimizer_is_refused"
    ),
    "a loss that is not finite, for a few steps": (
        "training/test_faults.py::test_single_failed_steps_are_skipped_and_counted"
    ),
    "… for good": (
        "training/test_faults.py::"
        "test_failures_that_come_back_stop_in_one_line_and_keep_the_checkpoint"
    ),
    "a disk that is too small": (
        "training/test_faults.py::test_room_is_estimated_as_it_will_be_taken"
    ),
    "a disk that fills up": (
        "training/test_faults.py::test_a_disk_that_fills_up_keeps_the_last_checkpoint_and_goes_on"
    ),
    "Ctrl-C, SIGTERM, a closed terminal": (
        "training/test_faults.py::test_signals_save_also_where_two_come_at_once"
    ),
    "SIGKILL, a power cut": (
        "experiments/test_kills.py::test_a_write_killed_at_any_moment_leaves_a_whole_checkpoint"
    ),
    "the data set shrinks under a training": (
        "training/test_faults.py::test_a_data_set_that_goes_away_under_a_training_is_one_line"
    ),
    "a training out of memory": "training/test_training.py::test_out_of_memory_is_one_line",
    "a data folder that cannot be written to": (
        "training/test_latents.py::test_they_go_elsewhere_where_the_data_set_cannot_be_written_to"
    ),
    "a run that cannot be written to, and `ldm evaluate`": (
        "test_refusals.py::test_scores_are_shown_though_they_cannot_be_recorded"
    ),
    "another autoencoder under a denoiser": (
        "test_refusals.py::test_a_denoiser_of_another_autoencoder"
    ),
    "a zip bomb handed in for a course": "test_submission.py::test_hostile_zips_are_faults",
}


@pytest.fixture
def place(tiny_run, shapes, tiny_config, tmp_path, monkeypatch) -> Place:
    monkeypatch.setattr(prepare_module, "cores", lambda: 1)
    monkeypatch.setattr(arrays, "ALWAYS", 2**20)
    monkeypatch.setattr(svhn, "MAX_MAT_BYTES", svhn.BLOCK)
    return Place(tmp_path, tiny_run, shapes, tiny_config)


@pytest.mark.parametrize("fault", HERE_HAPPENS)
def test_it_ends_as_the_table_says(fault, place, ldm):
    make, wanted, words = HERE_HAPPENS[fault]
    given = make(place)
    status, output, errors = ldm(*given)
    assert status == wanted, output + errors
    assert words in " ".join((output + errors).split()), output + errors
    assert "Traceback" not in output + errors
    if wanted == 2:
        assert errors.startswith("ldm: ") and errors.count("\n") == 1, errors
        assert len(errors) < 1000
    elif "prepare" in given:
        assert Dataset.open(place.folder / "out").info.train
    assert not (place.folder / "harmed").exists(), "code was executed"
    assert not list(place.folder.parent.glob("*.png")), "something was written outside"


def rows() -> dict[str, str]:
    """The table of the README: what happens, and the exit status."""
    section = README.read_text().partition("## When something is wrong")[2]
    lines = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", section, re.MULTILINE)
    return {what: status for what, status in lines if status.strip("-") and status != "exit"}


def test_the_table_of_the_readme_is_what_is_tested():
    assert rows().keys() == HERE_HAPPENS.keys() | ELSEWHERE.keys()
    assert len(rows()) >= 40
    for what, (_, status, _) in HERE_HAPPENS.items():
        assert rows()[what] == str(status), what


@pytest.mark.parametrize("where", ELSEWHERE.values())
def test_the_tests_that_are_named_are_there(where):
    path, _, name = where.partition("::")
    assert f"def {name}(" in (HERE / path).read_text()
