"""The table of commands: it says what the commands say of themselves, and nothing heavy is loaded to show it."""

from importlib import import_module
from inspect import cleandoc, unwrap

import pytest
import typer

from neurosim import cli
from neurosim.cli.app import come
from neurosim.cli.commands import COMMANDS
from tests.helpers.samples import call, refused
from tests.test_face import loaded_by

LISTED = {name: (module, help) for module, names in COMMANDS.items() for name, help in names.items()}
# What the face of the command line does without; the text is laid out by rich.
UNUSED = {"numba", "scipy", "plotly", "pydantic", "h5py", "simpy", "numpy"}
SHOWN = "import sys; sys.argv[1:] = [{!r}]\ntry:\n    from neurosim.cli import main; main()\nexcept SystemExit: pass"


def words(text):
    return text.replace("│", " ").split()


@pytest.mark.parametrize("name", LISTED)
def test_the_help_of_all_says_of_a_command_what_it_says_of_itself(name):
    module, help = LISTED[name]
    own = unwrap(come(name).callback)
    assert own.__module__ == f"neurosim.cli.{module}"
    assert help.split() == cleandoc(own.__doc__).partition("\n\n")[0].split()


def test_every_command_is_listed_once_in_the_order_of_the_help():
    for module in COMMANDS:
        import_module(f"neurosim.cli.{module}")
    joined = [info.name or info.callback.__name__ for info in cli.app.registered_commands]
    assert sorted(joined) == sorted(LISTED) and len(joined) == len(set(joined))
    assert list(typer.main.get_group(cli.app).commands) == list(LISTED)
    shown = words(call("--help").out)
    places = [shown.index(name, shown.index("Commands")) for name in LISTED]
    assert places == sorted(places)
    for _, help in LISTED.values():
        assert " ".join(words(help)) in " ".join(shown)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_that_they_do_not_use(option):
    assert not UNUSED & loaded_by(SHOWN.format(option))


def test_a_command_that_is_nearly_one_is_asked_for():
    refused("presetz", says="No such command 'presetz'. Did you mean 'presets'?")
