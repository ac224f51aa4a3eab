"""Error bars: of one price by hand, none where nothing is uncertain, wider where more is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.dataflow import REUSES
from neurosim.report.words import spread_text
from tests.helpers.energies import on, priced, tiny
from tests.helpers.examples import almost, changed, evaluated, examples, runs

pytestmark = pytest.mark.small


def test_without_uncertain_prices_there_is_no_interval():
    chip = ns.load_chip("mesh45")
    result = ns.run(*tiny(), on(chip, dict.fromkeys((f"{price.part}.uncertainty" for price in chip.prices.values()), 0.0)))
    assert result.to_dict()["uncertainty"] == {"snn_J": None, "ratio": {}, "constants": {}}
    assert "no price" in spread_text(result.ledger.spread)


def test_one_uncertain_price_by_hand():
    """The logarithm is normal: percentiles 5 and 95 lie 1.645 standard deviations of it from its mean."""
    chip = on(priced(ns.load_chip("mesh45")), {"operation.accumulate.pj": 2.0, "operation.accumulate.uncertainty": 0.3})
    result = ns.run(*tiny(), chip)
    sigma = np.sqrt(np.log(1 + 0.3**2))
    expected = [result.energy.total_J * np.exp(-(sigma**2) / 2 + sign * 1.6449 * sigma) for sign in (-1, 1)]
    assert result.ledger.spread.snn_J == pytest.approx(expected, rel=0.02)
    assert result.ledger.spread.constants == {"operation.accumulate": 1.0}
    assert "operation.accumulate 100.0 %" in spread_text(result.ledger.spread)


def test_a_price_that_both_pay_leaves_their_ratio_alone():
    chip = on(priced(ns.load_chip("mesh45")), {"memory.weight_sram.read.pj": 2.0, "memory.weight_sram.uncertainty": 0.5})
    result = ns.run(*tiny(), chip)
    last = result.document.steps[-1]
    for reuse in REUSES:
        low, high = result.ledger.spread.ratio[reuse]
        assert low == almost(high) == almost(last.ratio(reuse))


def test_what_the_network_without_spikes_alone_pays_is_drawn_too():
    changes = {"operation.partial_sum.pj": 5.0, "operation.partial_sum.uncertainty": 0.5, "operation.accumulate.pj": 1.0}
    chip = on(priced(ns.load_chip("mesh45")), changes | {"operation.accumulate.uncertainty": 0.01})
    low, high = ns.run(*tiny(), chip).ledger.spread.ratio["rows"]
    assert high > 3 * low


def test_an_operation_is_as_uncertain_as_the_blocks_that_it_uses():
    """3 pJ of its own, exact, and 4 of a block, 50 %: 2 of 7."""
    block = {"name": "b", "operations": {"accumulate": 4.0}, "uncertainty": 0.5, "source": "made up"}
    chip = ns.Chip.parse(ns.load_chip("mesh45").values | {"block": [block]}, "test").replace("operation.accumulate.pj", 3.0)
    price = chip.prices["operation.accumulate.pj"]
    assert (price.pj, price.uncertainty) == (7.0, almost(2 / 7))
    assert ns.load_chip("lp45").prices["operation.accumulate.pj"].uncertainty > 0.2


def test_the_parts_of_the_variance_by_hand():
    """13 additions at 2 pJ and 6 visits at 13 pJ: 26 and 78 pJ; squared, times the square of their uncertainty."""
    changes = {"accumulate.pj": 2.0, "accumulate.uncertainty": 0.3, "update_active.pj": 13.0, "update_active.uncertainty": 0.1}
    chip = on(priced(ns.load_chip("mesh45")), {f"operation.{name}": value for name, value in changes.items()})
    found = ns.run(*tiny(), chip).ledger.spread.constants
    parts = {"operation.accumulate": (26 * 0.3) ** 2, "operation.update_active": (78 * 0.1) ** 2}
    assert found == almost({name: part / sum(parts.values()) for name, part in parts.items()})


@examples(30)
@given(runs(), st.floats(0.01, 0.2), st.floats(0.3, 0.8))
def test_more_uncertainty_is_a_wider_interval(case, little, much):
    inputs, mapping = case

    def width(uncertainty):
        parts = [f"memory.{m.name}" for m in mapping.chip.memory] + [f"operation.{name}" for name, _ in mapping.chip.operation]
        chip = changed(mapping.chip, {f"{part}.uncertainty": uncertainty for part in parts})
        result = evaluated(inputs, type(mapping)(mapping.network, chip, mapping.bricks, mapping.cores, mapping.placer))
        low, high = result.ledger.spread.snn_J
        assert sum(result.ledger.spread.constants.values()) == almost(1)
        shares = list(result.ledger.spread.constants.values())
        assert shares == sorted(shares, reverse=True)
        return high - low

    assert 0 < width(little) < width(much)
