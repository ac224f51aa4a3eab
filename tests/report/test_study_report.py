"""The pages of a study and of a comparison: the same facts as the tables, drawn in a browser, and names that mean no good."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.explore.document import MetricsSection
from neurosim.explore.objective import OBJECTIVES
from neurosim.explore.reading import study_of
from neurosim.report.study_page import study_page
from tests.helpers import samples
from tests.helpers.examples import examples
from tests.helpers.pages import LARGEST, STRANGE, bare, figures, hover, opened
from tests.helpers.samples import call, refused
from tests.helpers.studies import STUDY, filled, values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def swept(folder, tmp_path_factory):
    """The folder of a study with points that do not fit and a closer look at the front."""
    place = tmp_path_factory.mktemp("swept")
    (folder / "study.toml").write_text(STUDY)
    found = call("sweep", folder / "study.toml", "-o", place, "--workers", "1")
    assert found.code == 0, found
    return place


@pytest.fixture(scope="module")
def compared(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("compared")
    chips = ("--chip", "mesh45", "--chip", "loihi", "--chip", "seneca")
    written = ("--report", place / "page.html", "--json", place / "page.json")
    found = call("compare", folder / "net.h5", folder / "in.h5", *chips, *written)
    assert found.code == 0, found
    return place


def headings(text):
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", text)


def test_the_page_of_a_study_says_what_its_table_says(swept):
    text, told = (swept / "report.html").read_text(), json.loads((swept / "results.json").read_text())
    shown = bare(text)
    assert headings(text) == [
        "Costs nothing", "Pareto front", "What matters", "All points",
        "What does not fit, or is excluded", "Constants and their sources",
        "Not counted", "How to repeat",
    ]  # fmt: skip
    assert len(figures(text)) == 4 and len(text.encode()) < LARGEST
    for point in told["points"]:
        assert all(reason.split(";")[0][:40] in shown for reason in point["reasons"])
    for name, chip in told["chips"].items():
        assert f"sha256 {chip['sha256']}" in shown and f"<summary>{name}" in shown
    for note in told["not_counted"]:
        assert note in shown
    for axis in told["axes"]:
        assert f"axis {axis}" in shown


def test_every_point_that_fits_is_drawn_once_in_every_figure(swept):
    text, told = (swept / "report.html").read_text(), json.loads((swept / "results.json").read_text())
    for _, figure in figures(text)[:3]:
        kinds = {trace["name"]: len(trace["x"]) for trace in figure["data"]}
        assert kinds["on the front"] == len(told["front"]) and sum(kinds.values()) == len(told["ranked"]) == 12


def test_report_makes_the_page_of_a_folder(swept, tmp_path):
    found = call("report", swept, "-o", tmp_path / "again.html")
    assert found.code == 0 and (tmp_path / "again.html").read_bytes() == (swept / "report.html").read_bytes()
    refused("report", tmp_path, "-o", tmp_path / "none.html", says="results.json: does not exist")


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"points": 3}'])
def test_results_that_make_no_sense_are_refused(tmp_path, damage):
    (tmp_path / "results.json").write_text(damage)
    refused("report", tmp_path, "-o", tmp_path / "page.html", says="results.json")
    assert not (tmp_path / "page.html").exists()


# What not every point has.
SOME = (
    "counts", "energy_by_purpose_J", "bound_by", "ann_over_snn", "errors", "paired", "packet_images", "best", "near_front",
    "axis_costs", "free_axes", "energy_median_J", "energy_p99_J", "latency_median_s", "latency_p99_s", "edp_Js", "power_W",
    "dynamic_power_W", "pj_per_event", "dynamic_pj_per_event", "ann_energy_J", "ann_pj_per_mac", "ann_ratio", "ratio",
    "payload_macs", "ann", "scale_node",
)  # fmt: skip
# Tables whose keys are names that a study gives.
NAMED = ("networks", "chips", "objectives", "constraints", "set", "axes", "sensitivity", "metrics", "paired", "best",
         "axis_costs", "free_axes")  # fmt: skip


def keys(values, path=()):
    """The paths of all keys that no results can do without."""
    if path[:1] == ("chips",) and path[2:3] == ("values",):
        return
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        if isinstance(key, str) and key not in SOME and path[-1:] not in [(name,) for name in NAMED] and "settings" not in path:
            yield (*path, key)
        yield from keys(value, (*path, key))


@examples(25)
@given(st.data())
def test_results_without_a_key_are_refused_with_its_path(swept, tmp_path_factory, data):
    told, folder = json.loads((swept / "results.json").read_text()), tmp_path_factory.mktemp("results")
    *inside, last = data.draw(st.sampled_from([*keys(told)]))
    place = told
    for key in inside:
        place = place[key]
    del place[last]
    (folder / "results.json").write_text(json.dumps(told))
    found = refused("report", folder, "-o", folder / "page.html", says="results.json")
    assert f"json.{'.'.join(map(str, [*inside, last]))}: is missing" in found.err
    assert not (folder / "page.html").exists()


def test_results_that_do_not_belong_together_are_refused(swept, tmp_path):
    told = json.loads((swept / "results.json").read_text())
    told["front"].append(99)
    del told["sensitivity"]["energy"]["placer"]
    told["objectives"]["energy"]["column"] = "joules"
    (tmp_path / "results.json").write_text(json.dumps(told))
    says = ["json.front: there is no point 99", "json.sensitivity.energy.placer: is missing", "there is no 'joules'"]
    refused("report", tmp_path, "-o", tmp_path / "page.html", says=says)


def test_every_objective_is_a_field_of_a_point():
    assert [objective.column for objective in OBJECTIVES.values()] == list(MetricsSection.model_fields)


def test_a_study_of_one_objective_and_nothing_that_fits_has_a_page(folder):
    for changes in ({"objectives": ["energy"]}, {"axes": {"core.max_neurons": [1]}}):
        with ThreadPoolExecutor(1) as pool:
            text = study_page(ns.sweep(study_of(values(**changes), folder), executor=pool).document)
        assert "Pareto front" in headings(text)
    assert "No point fits." in text and figures(text) == []


def test_the_page_of_a_comparison_says_what_its_json_says(compared):
    text, told = (compared / "page.html").read_text(), json.loads((compared / "page.json").read_text())
    shown = bare(text)
    first = ["In words", "Nodes that differ", "Not counted alike", "Beside each other", "Told apart", "Where the energy goes"]
    assert headings(text)[:6] == first
    assert f"{told['ratios']['loihi']['energy']:.3g} times" in shown
    for place in told["differences"]:
        assert place in shown
    for _, figure in figures(text):
        assert all(len(trace["x"]) == 3 for trace in figure["data"])
    energies = [sum(trace["x"][i] for trace in figures(text)[0][1]["data"]) for i in range(3)]
    assert energies == pytest.approx([told["metrics"][name]["energy_J"] for name in told["chips"]])


def test_pages_are_drawn_without_a_word(browser, swept, compared, tmp_path):
    for path in (swept / "report.html", compared / "page.html"):
        opened(browser, path)
        script = "return [...document.querySelectorAll('figure.plot')].map(f => f.querySelectorAll('.main-svg').length)"
        drawn = browser.execute_script(script)
        assert drawn and all(drawn)
        assert browser.get_log("browser") == []
        assert browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)") == []
        browser.save_screenshot(str(tmp_path / "page.png"))
        assert (tmp_path / "page.png").stat().st_size > 10_000


def test_pages_fit_a_phone(browser, swept, compared):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    for path in (swept / "report.html", compared / "page.html"):
        opened(browser, path)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


def test_the_pointer_finds_a_chip(browser, compared):
    opened(browser, compared / "page.html")
    assert "loihi" in hover(browser, 0, 0.3, 0.5)


def test_names_of_strangers_do_nothing(browser, folder, tmp_path):
    network = samples.residual()
    odd = ns.Network.build(STRANGE["network"], timesteps=network.timesteps, input_shape=(2, 6, 6), layers=network.layers)
    odd.save(tmp_path / "odd.h5")
    inputs = samples.inputs(odd, 4)
    ns.Inputs(inputs.images, inputs.labels, name=STRANGE["inputs"]).save(tmp_path / "in.h5")
    study = study_of(values(name=STRANGE["network"], network="odd.h5"), tmp_path)
    with ThreadPoolExecutor(1) as pool:
        text = study_page(ns.sweep(study, executor=pool).document)
    (tmp_path / "odd.html").write_text(text, encoding="utf-8")
    opened(browser, tmp_path / "odd.html")
    assert browser.title.startswith(STRANGE["network"]) and browser.get_log("browser") == []
    assert browser.find_elements("css selector", "img, main b") == []


def test_every_objective_has_words_for_its_axis():
    for objective in OBJECTIVES.values():
        assert objective.words and objective.column.endswith(
            {"J": "_J", "s": "_s", "1/s": "_per_s", "mm²": "_mm2"}.get(objective.unit, "")
        )
