"""Whatever stands in a config, a rubric or a record: a value, or ValueError, and nothing else."""

import json
import string
from contextlib import suppress
from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latent_diffusion.config import build
from latent_diffusion.data.reference import DataFacts
from latent_diffusion.data.store import DatasetInfo
from latent_diffusion.data.tables import read_table
from latent_diffusion.evaluation.rubric import Rubric
from latent_diffusion.evaluation.scores import Scores
from latent_diffusion.parsing import parse_toml, read_json, read_log, read_toml
from latent_diffusion.run import Part
from latent_diffusion.sampling.config import SamplingConfig
from latent_diffusion.sampling.folder import finished, read_list
from latent_diffusion.training.stages import Config

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
words = st.text(string.ascii_lowercase + string.digits + '._-"\\é', max_size=12)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
# Anything that JSON or TOML can say, and what of it has the names of settings.
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4)
)


def leaves(tree: dict, path: str = "") -> list[str]:
    """The names of all settings, dotted."""
    found = []
    for name, value in tree.items():
        inner = isinstance(value, dict) and value
        found += leaves(value, f"{path}{name}.") if inner else [path + name]
    return found


SETTINGS = leaves(Config().model_dump())


def refused_in_one_line(call):
    """Call, and return the result; a ValueError must be one short line."""
    try:
        return call()
    except ValueError as error:
        text = " ".join(str(error).split())
        assert text and len(text) < 2000
        return None


@quick
@given(st.sampled_from(SETTINGS), anything)
def test_any_value_of_any_setting(name, value):
    text = json.dumps(value, ensure_ascii=False)
    found = refused_in_one_line(lambda: build(Config, {}, [f"{name}={text}"], "here"))
    assert found is None or isinstance(found, Config)


@quick
@given(words, words)
def test_any_setting_of_any_name(name, value):
    refused_in_one_line(lambda: build(Config, {}, [f"{name}={value}"], "here"))


@quick
@given(st.dictionaries(st.sampled_from([*Config.model_fields, "extends", "x"]), anything))
def test_any_tree_as_a_config(tree):
    refused_in_one_line(lambda: build(Config, tree, [], "here"))


@quick
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SamplingConfig.model_fields, anything)))
def test_any_sampling(tree):
    """What is accepted has noise levels that fall, and a cost."""
    found = refused_in_one_line(lambda: build(SamplingConfig, tree, [], "here"))
    if found and found.steps < 1000:
        assert all(a > b for a, b in zip(found.levels, found.levels[1:], strict=False))
        assert found.evaluations >= found.steps


@quick
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_toml_json_and_logs(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    for read in (read_toml, read_json, Rubric.load):
        found = refused_in_one_line(lambda read=read: read(path))
        assert found is None or isinstance(found, dict | Rubric)
    assert all(isinstance(record["step"], int) for record in read_log(path))


@quick
@given(st.dictionaries(words, anything, max_size=4).map(lambda tree: without_none(tree)))
def test_what_toml_can_say_is_read_as_it_was(tree):
    assert parse_toml(tomli_w.dumps(tree)).keys() == tree.keys()


def without_none(value):
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_none(v) for v in value if v is not None]
    return value


@pytest.mark.parametrize("depth", [10, 31, 40, 500, 100_000])
def test_depth_has_an_end(depth):
    text = f"x = {'[' * depth}{']' * depth}"
    found = refused_in_one_line(lambda: parse_toml(text))
    assert (found is not None) == (depth < 32)


@quick
@given(
    st.fixed_dictionaries(
        {"title": anything, "images": anything, "size": anything, "parts": anything},
        optional={"submission": anything},
    )
)
def test_any_rubric(tree):
    refused_in_one_line(lambda: Rubric.checked(tree, "rubric.toml"))


@quick
@given(st.text(string.printable, max_size=40))
def test_any_pattern_of_file_names_in_a_rubric(pattern):
    from latent_diffusion.evaluation.rubric import SubmissionPlan

    found = refused_in_one_line(lambda: SubmissionPlan(files=pattern))
    if found:
        assert pattern.format(seed=1) != pattern.format(seed=2)


@quick
@given(st.dictionaries(st.sampled_from(["files", "pending", "x"]), anything), anything)
def test_any_list_of_samples(tmp_path, content, other):
    for value in (content, other, {"files": {"a.png": content}}, {"files": {"a.png": other}}):
        (tmp_path / "samples.json").write_text(json.dumps(value))
        listed = refused_in_one_line(lambda: read_list(tmp_path))
        if listed:
            assert all(Path(name).name == name for name in listed["files"])
            assert all(isinstance(f.get("class", ""), str) for f in listed["files"].values())
        refused_in_one_line(lambda: finished(tmp_path))


@quick
@given(anything)
def test_any_record_of_data_and_scores(value):
    for model in (DataFacts, DatasetInfo, Scores):
        with suppress(ValueError):  # of several lines; who reads a file says its name and one
            assert isinstance(model.model_validate_json(json.dumps(value)), model)


@quick
@given(st.dictionaries(st.sampled_from(["diffusion", "data", "version", "sampling"]), anything))
def test_any_config_of_a_part(tmp_path, tree):
    part = Part(tmp_path / "diffusion")
    part.folder.mkdir(exist_ok=True)
    part.config_path.write_text(tomli_w.dumps(without_none(tree)))
    found = refused_in_one_line(part.read_config)
    assert found is None or {"diffusion", "data"} <= found.keys()


@quick
@given(
    st.sampled_from(["a.csv", "a.tsv", "a.json", "a.jsonl", "a.txt"]),
    st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()),
)
def test_any_list_of_labels(name, content):
    """It is a table of columns of one length, or none."""
    found = read_table(name, content, lambda text: text.endswith(".png"))
    assert found is None or len({len(values) for values in found.columns.values()}) == 1
