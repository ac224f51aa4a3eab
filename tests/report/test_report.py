"""The HTML report: all facts without scripts, figures in a browser, on a phone, in the dark, and names that mean no good."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest

import neurosim as ns
from neurosim.outcome.document import RunDocument
from neurosim.outcome.times import Times
from neurosim.report.html import page, save_report
from tests.helpers import samples
from tests.helpers.pages import LARGEST, STRANGE, bare, figures, hover, opened, until
from tests.helpers.samples import call, refused

SECTIONS = [
    "Where the energy goes", "What set the pace", "Against the same network without spikes", "Layers",
    "Spikes per layer and step", "NeuroBench", "Cores", "Links", "From image to image",
    "Constants and their sources", "Not counted", "How to repeat",
]  # fmt: skip
FIGURES = 11
MESH = ("--chip", "mesh45", "--placer", "row-major")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a run, and the reports of `run --report` and of `report`."""
    folder = tmp_path_factory.mktemp("report")
    network = samples.residual()
    network.save(folder / "net.h5")
    samples.inputs(network).save(folder / "in.h5")
    made = call("run", folder / "net.h5", folder / "in.h5", *MESH, "-o", folder / "run.h5", "--report", folder / "run.html")
    assert made.code == 0, made
    return folder


@pytest.fixture(scope="module")
def text(files):
    return (files / "run.html").read_text(encoding="utf-8")


def result(network=None, chip=None, **options):
    network = network or samples.residual()
    return ns.run(network, samples.inputs(network), chip or ns.load_chip("mesh45"), **options)


def many_cores():
    """3,843 of 4,096 cores, a neuron in each."""
    rng = np.random.default_rng(1)
    layers = [
        ns.Conv("conv1", rng.integers(-20, 60, (15, 1, 3, 3)), threshold=60, padding=1),
        ns.Output("out", rng.integers(-5, 9, (3, 15 * 256))),
    ]
    network = ns.Network.build("many", timesteps=2, input_shape=(1, 16, 16), layers=layers)
    chip = ns.load_chip("mesh45").replace("mesh.width", 64).replace("mesh.height", 64).replace("core.max_neurons", 1)
    return ns.run(network, samples.inputs(network, 1), chip, placer="row-major", timing="analytic")


def strangers():
    """A run whose every name tries to be markup."""
    rng = np.random.default_rng(0)
    odd = ns.Dense(STRANGE["layer"], samples.weights(rng, 4, 72), threshold=300)
    layers = [odd, ns.Output("out", samples.weights(rng, 3, 4))]
    network = ns.Network.build(STRANGE["network"], timesteps=2, input_shape=(2, 6, 6), layers=layers)
    inputs = ns.Inputs(samples.inputs(network).images, name=STRANGE["inputs"])
    return ns.run(network, inputs, ns.load_chip("mesh45"), placer="row-major")


def test_the_sections_stand_in_order_below_one_title(text):
    assert re.findall(r"<h2[^>]*>([^<]*)</h2>", text) == SECTIONS
    assert len(re.findall(r"<h1", text)) == 1 and text.index("<h1") < text.index("<h2")
    for name in ("accuracy", "energy per image", "time per image", "latency", "spikes per neuron", "ANN / SNN, compute only"):
        assert f"<dt>{name}</dt>" in text


def test_the_page_is_one_file_with_the_library_once(text):
    assert text.count("plotly.js v") == 1 and len(text.encode()) < LARGEST
    assert not re.search(r'(src|href)="(?!#|data:)', bare(text))


def test_every_figure_says_in_words_what_it_shows(text):
    assert len(figures(text)) == FIGURES
    described = r'<figcaption>[^<]+</figcaption><div class="canvas" role="img" aria-label="[^"]{40,}"'
    assert len(re.findall(described, text)) == FIGURES


def test_the_tables_tell_what_the_figures_draw(files, text):
    record, shown = ns.load_run(files / "run.h5"), bare(text)
    for core in record.to_dict()["cores"]:
        assert f"core {core['index']} ({core['x']}, {core['y']})" in shown
    for layer in record.to_dict()["layers"]:
        for count in layer["spikes_per_step"]:
            assert f"<td>{count:,.1f}" in shown
    for name, joules in record.to_dict()["energy"]["by_component_J"].items():
        assert not joules or f'<th scope="row">{name}<td>' in shown
    for price in (name for name, _ in record.chip.operation):
        assert f'<th scope="row">{price}<td>' in shown


def test_the_command_writes_the_page_of_the_run(files, tmp_path, text):
    found = call("report", files / "run.h5", "-o", tmp_path / "again.html")
    assert (found.code, found.err) == (0, "") and str(tmp_path / "again.html") in found.out
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text
    silent = call("report", files / "run.h5", "-o", tmp_path / "again.html", "--json", "-")
    assert samples.only_json(silent.out) == ns.load_run(files / "run.h5").to_dict()


def test_the_command_wants_a_run_and_a_place(files, tmp_path):
    refused("report", files / "run.h5", says="-o")
    refused("report", files / "net.h5", "-o", tmp_path / "r.html", says="net.h5")
    refused("report", files / "run.h5", "-o", files / "run.h5", says="is also read")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"paper": 3}, {"counts": {}}, {"links": [1]}, {"timesteps": None}, {"accuracy": "high"}])
def test_a_run_file_that_makes_no_sense_is_refused(files, tmp_path, change):
    shutil.copy(files / "run.h5", tmp_path / "odd.h5")
    with h5py.File(tmp_path / "odd.h5", "r+") as file:
        values = json.loads(file["json"][()]) | change
        del file["json"]
        file["json"] = json.dumps(values)
    refused("report", tmp_path / "odd.h5", "-o", tmp_path / "r.html", says="odd.h5")
    assert not (tmp_path / "r.html").exists()


def test_the_report_of_an_older_run_leaves_out_what_it_did_not_keep(files):
    values = ns.load_run(files / "run.h5").to_dict()
    del values["time"]["bound_by_per_step"], values["blocked"], values["neurobench"]
    del values["images_energy_J"], values["images_seconds"]
    for layer in values["layers"]:
        del layer["spikes_per_step"]
    older = RunDocument.model_validate(values)
    assert older.to_dict() == values
    shown = page(older)
    assert len(figures(shown)) == FIGURES - 4
    assert "Spikes per layer and step" not in shown and "From image to image" not in shown
    assert '<th scope="row">step 0<td>' in shown


def test_a_repriced_run_has_a_report_of_its_own(files, tmp_path, text):
    before = ns.load_run(files / "run.h5")
    after = before.at(before.chip.replace("operation.accumulate.pj", 7.0).replace("clock.hz", 1e8), "neurosim reprice ...")
    after.save(tmp_path / "dear.h5")
    assert call("report", tmp_path / "dear.h5", "-o", tmp_path / "dear.html").code == 0
    shown = (tmp_path / "dear.html").read_text(encoding="utf-8")
    assert '<th scope="row">accumulate<td>7 pJ' in shown and "repriced_from" in shown
    assert len(figures(shown)) == FIGURES and shown != text


@pytest.mark.parametrize("schedule", ["sequential", "pipelined"])
def test_what_bound_the_steps_adds_up(schedule):
    found = result(schedule=schedule)
    told = found.to_dict()["time"]
    assert [sum(step.values()) for step in told["bound_by_per_step"]] == pytest.approx(told["cycles_per_step"])
    assert isinstance(found.time, Times) and set(told["bound_by_per_step"][0]) == set(told["bound_by"])


def test_spikes_per_step_add_up():
    found = result().to_dict()
    for layer in found["layers"]:
        assert sum(layer["spikes_per_step"]) * found["images"] == pytest.approx(layer["spikes"])


def test_names_are_text():
    shown = page(strangers().document)
    assert "<script>alert" not in shown and "<img" not in shown and "<b>b</b>" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown and "&lt;b&gt;b&lt;/b&gt;&amp;amp;" in shown


@pytest.mark.parametrize("torus", [False, True])
def test_every_used_link_is_an_arrow_to_the_right_of_its_way(torus):
    chip = ns.load_chip("mesh45").replace("mesh.width", 3).replace("mesh.height", 3).replace("core.max_neurons", 40)
    if torus:
        chip = chip.replace("mesh.topology", "torus").replace("mesh.virtual_channels", 4)
    found = result(chip=chip)
    drawn = next(data for _, data in figures(page(found.document)) if "path" in json.dumps(data["layout"].get("shapes", "")))
    arrows = drawn["data"][-1]
    assert len(arrows["text"]) == len(found.record.to_dict()["links"])
    strokes = "".join(shape.get("path", "") for shape in drawn["layout"]["shapes"])
    assert strokes.count("M") == len(arrows["text"])


def test_several_chips_and_shared_tiles_are_told_apart():
    chip = ns.load_chip("mesh45").replace("mesh.width", 2).replace("mesh.height", 2).replace("mesh.cores_per_tile", 2)
    board = {"columns": 2, "rows": 1, "link_cycles": 8, "pj": 30.0, "source": "tests"}
    shown = page(result(chip=chip.replace("board", board)).document)
    heat = [data for _, data in figures(shown) if data["data"][0]["type"] == "heatmap" and len(data["data"]) == 2]
    assert len(heat) == 3
    for data in heat:
        assert len(data["layout"]["shapes"]) == 3 + 1
    assert "link between chips" in shown and "on 2 chips" in shown


def test_a_run_without_spikes_or_links_has_a_report():
    network = ns.Network.build(
        "quiet", timesteps=1, input_shape=(1, 2, 2),
        layers=[ns.Dense("fc", np.zeros((2, 4), int), threshold=5), ns.Output("out", np.ones((2, 2), int))],
    )  # fmt: skip
    shown = page(result(network).document)
    assert "No packet crosses a link." in shown and "break-even" not in json.dumps(figures(shown))


def test_every_figure_is_drawn_and_nothing_is_said_or_fetched(browser, files, tmp_path):
    opened(browser, files / "run.html")
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('figure.plot')].map(f => f.querySelectorAll('.js-plotly-plot .main-svg').length)"
    )
    assert len(drawn) == FIGURES and all(drawn)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)") == []
    assert not browser.find_elements("css selector", ".modebar a, [data-title*='Share'], [data-title*='plotly' i]")
    browser.save_screenshot(str(tmp_path / "report.png"))
    picture = (tmp_path / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000


def test_the_pointer_finds_a_core(browser, files):
    opened(browser, files / "run.html")
    found = hover(browser, 5, 1.5 / 8, 0.5 / 8)
    core = ns.load_run(files / "run.h5").to_dict()["cores"][1]
    assert core["index"] == 1
    assert found.startswith(f"core 1 at (1, 0)layer: {core['layer']}neurons: {core['neurons']}energy: ")
    assert "busy: " in found and "fullest memory: " in found


def test_four_thousand_cores_are_drawn(browser, files, tmp_path):
    found = many_cores()
    assert len(found.cores) > 3800
    found.report(tmp_path / "many.html")
    assert (tmp_path / "many.html").stat().st_size < LARGEST
    # Far above what it takes, far below what anyone waits for.
    assert opened(browser, tmp_path / "many.html") < 20_000
    assert "core 65 at (1, 1)" in hover(browser, 5, 1.5 / 64, 1.5 / 64)
    assert browser.get_log("browser") == []


def test_a_phone_scrolls_up_and_down_only(browser, files):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    opened(browser, files / "run.html")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    widest = browser.execute_script(
        "return Math.max(...[...document.querySelectorAll('.main-svg')].map(e => e.getBoundingClientRect().right))"
    )
    assert widest <= 390


def test_the_dark_changes_page_and_figures(browser, files):
    opened(browser, files / "run.html")
    script = "return [getComputedStyle(document.body).color, document.querySelector('.ytick text').style.fill]"
    light = browser.execute_script(script)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    until(lambda: browser.execute_script(script)[1] != light[1])
    dark = browser.execute_script(script)
    assert light == ["rgb(28, 36, 48)"] * 2 and dark == ["rgb(230, 235, 242)"] * 2


def test_figures_fit_on_paper(browser, files):
    opened(browser, files / "run.html")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    widths = "return [...document.querySelectorAll('.main-svg')].map(e => e.getBoundingClientRect().width)"
    assert max(browser.execute_script(widths)) <= 690
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    until(lambda: max(browser.execute_script(widths)) > 690)


def test_the_keyboard_meets_the_skip_link_first(browser, files):
    from selenium.webdriver import ActionChains, Keys

    opened(browser, files / "run.html")
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.execute_script("return document.activeElement.className") == "skip"
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert browser.execute_script("return document.activeElement.id") == "content"
    stops = "return [...document.querySelectorAll('figure *')].filter(e => e.tabIndex >= 0).length"
    assert browser.execute_script(stops) == 0


def test_names_do_nothing(browser, tmp_path):
    from selenium.common.exceptions import NoAlertPresentException

    strangers().report(tmp_path / "odd.html")
    opened(browser, tmp_path / "odd.html")
    found = hover(browser, 5, 0.5 / 8, 0.5 / 8)
    assert f"layer: {STRANGE['layer']}" in found
    ticks = browser.execute_script("return [...document.querySelectorAll('.ytick text')].map(e => e.textContent)")
    assert f"{STRANGE['layer'][:21]}…" in ticks
    assert browser.find_elements("css selector", "img, main b, main svg a") == []
    assert browser.title.startswith(STRANGE["network"])
    with pytest.raises(NoAlertPresentException):
        browser.switch_to.alert.accept()
    assert browser.get_log("browser") == []


def test_without_scripts_the_figures_leave_no_gap(browser, files):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((files / "run.html").as_uri())
        canvas = browser.find_element("css selector", ".canvas")
        assert not canvas.is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_of_a_mapping_is_drawn(browser, tmp_path):
    network = samples.residual()
    network.save(tmp_path / "net.h5")
    assert call("map", tmp_path / "net.h5", *MESH, "--report", tmp_path / "map.html").code == 0
    opened(browser, tmp_path / "map.html")
    assert "core 0 at (0, 0)layer: conv1" in hover(browser, 0, 0.5 / 8, 0.5 / 8)
    assert browser.get_log("browser") == []


def test_the_report_appears_whole_or_not_at_all(tmp_path):
    document = result().document.model_copy(update={"network": None})
    with pytest.raises(AttributeError):
        save_report(document, tmp_path / "r.html")
    assert not list(tmp_path.iterdir())
