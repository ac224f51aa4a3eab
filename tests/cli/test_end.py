"""A command that is told to end leaves no half-written file behind."""

import signal
import subprocess
import sys
import time

# A command during which a result is being written for as long as anyone waits.
ENDLESS = """
import sys, time
from neurosim.cli import main
from neurosim.io.hdf5 import replacing
import neurosim as ns

def slowly(path):
    with replacing({target!r}) as temporary:
        temporary.write_text("half")
        print("begun", flush=True)
        time.sleep(60)

ns.load_network = slowly
sys.argv = ["neurosim", "verify", {network!r}]
main()
"""


def test_a_file_that_was_begun_is_gone_when_the_command_is_told_to_end(tmp_path):
    (tmp_path / "net.h5").touch()
    code = ENDLESS.format(target=str(tmp_path / "run.h5"), network=str(tmp_path / "net.h5"))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "begun\n"
    assert len([*tmp_path.iterdir()]) == 2
    start = time.monotonic()
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM and time.monotonic() - start < 5
    assert [path.name for path in tmp_path.iterdir()] == ["net.h5"]
    child.stdout.close()
