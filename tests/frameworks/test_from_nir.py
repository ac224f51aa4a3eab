"""Models that frameworks make of NIR files are models like others."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
pytest.importorskip("nirtorch", reason="python -m pip install nirtorch")
nir = pytest.importorskip("nir", reason="python -m pip install nir")

from neurosim.frameworks import from_torch  # noqa: E402
from neurosim.spikes.verify import verify  # noqa: E402
from tests.frameworks.test_graph import exact, refused  # noqa: E402
from tests.frameworks.zoo import norse, sinabs, snntorch, spikes  # noqa: E402


def graph(last, tau):
    """Two layers with weights of 1/64 and one leak of a half, *last* the neurons of the second."""
    rng = np.random.default_rng(1)

    def weights(*shape):
        return (rng.integers(-12, 25, shape) / 64).astype(np.float32)

    half = nir.LIF(*(np.full(6, v) for v in (tau, 2.0, 0.0, 0.25)))
    return nir.NIRGraph.from_list(
        nir.Input({"input": np.array([12])}), nir.Affine(weights(6, 12), weights(6)), half,
        nir.Affine(weights(5, 6), 0 * weights(5)), last, nir.Output({"output": np.array([5])}),
    )  # fmt: skip


def by_step(model, x):
    state, kept = None, []
    for step in x.unbind(1):
        out, state = model(step, state)
        kept.append(out)
    return torch.stack(kept)


def lif(tau):
    return nir.LIF(*(np.full(5, v) for v in (tau, 2.0, 0.0, 0.25)))


def test_those_of_norse_with_a_current_of_two_cells():
    n = norse()
    cuba = nir.CubaLIF(*(np.full(5, v) for v in (2.0**-8, 2.0**-9, 1.0, 0.0, 0.0625)))
    model = n.from_nir(graph(cuba, 2.0**-9), dt=2.0**-10, ignore_warnings=True)
    network = exact(model.eval(), spikes(12, steps=8), run=by_step)
    assert (network.layers[0].leak, network.layers[1].leak, network.layers[1].current_leak) == (0.5, 0.5, 0.75)


def test_those_of_snntorch():
    snntorch()
    from snntorch.import_nir import import_from_nir

    exact(import_from_nir(graph(lif(2e-4), 2e-4)).eval(), spikes(12, steps=8), run=by_step)


@pytest.mark.parametrize("how", [{"num_timesteps": 8}, {"batch_size": 4}])
def test_those_of_sinabs(how):
    sinabs()
    from sinabs.nir import from_nir

    exact(from_nir(graph(lif(4.0), 4.0), **how).eval(), spikes(12, steps=8))


def test_feedback_of_a_trained_one_is_that_of_the_model_and_a_first_step_of_its_own_is_refused():
    n = norse()
    file = str(Path(n.__file__).parent / "utils/test/braille.nir")
    model = n.from_nir(file, dt=1e-4).eval()
    # Its first step lacks the bias of the feedback.
    refused(model, "what reaches it is not what was seen of the model", x=spikes(12, steps=20), run=by_step)
    with torch.no_grad():
        model.fc1.bias += model.lif1_w_rec.bias
        model.lif1_w_rec.bias.zero_()
    verdict = verify(from_torch(model, spikes(12, steps=20), run=by_step))
    assert verdict.ok and verdict.answers.mismatches == 0
