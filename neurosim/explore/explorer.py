"""A study point by point, for whoever decides by what was found which point is next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from neurosim.errors import NeurosimError
from neurosim.explore.axis import Value
from neurosim.explore.objective import OBJECTIVES
from neurosim.explore.sampling import Settings
from neurosim.explore.store import Outcome, Store
from neurosim.explore.study import Study
from neurosim.explore.sweep import Recorder, study_from
from neurosim.explore.task import FAILED, NEEDS, OK, Task, done


class Trial(Protocol):
    """What suggests values, such as a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


class Explorer:
    """Asks a trial for the settings of a point of *study* and tells what it costs::

        optimizer = optuna.create_study(directions=explorer.directions)
        trial = optimizer.ask()
        optimizer.tell(trial, explorer.values(explorer.ask(trial)))

    What was found before, by a study or an explorer with the same *store*, is not done again.
    """

    def __init__(self, study: Study | str | os.PathLike[str] | Mapping[str, Any], store: str | os.PathLike[str]):
        self.study = study_from(study)
        self.store = Store(Path(store).resolve())
        self.recorder = Recorder(self.study, self.store, lambda text: None)

    @property
    def directions(self) -> list[str]:
        """Of every objective, "minimize" or "maximize"."""
        return ["maximize" if OBJECTIVES[name].more else "minimize" for name in self.study.objectives]

    def ask(self, trial: Trial) -> Settings:
        """The settings that *trial* suggests."""
        found: Settings = {}
        for name, axis in self.study.axes.items():
            if axis.values:
                found[name] = trial.suggest_categorical(name, list(axis.values))
            elif axis.whole:
                found[name] = trial.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
            else:
                found[name] = trial.suggest_float(name, axis.low, axis.high, log=axis.log)
        return found

    def values(self, settings: Mapping[str, Value]) -> list[float] | None:
        """The objectives of a point, in the order of the study; None, which Optuna takes as failed, where it does not fit or
        one is not known. Raises NeurosimError for settings that are not those of the axes, or where something unforeseen
        happens."""
        outcome = self.outcome(settings)
        found = [outcome["metrics"].get(OBJECTIVES[name].column) for name in self.study.objectives]
        allowed = all(b.allow(outcome["metrics"].get(OBJECTIVES[n].column)) for n, b in self.study.constraints.items())
        return found if outcome["status"] == OK and allowed and None not in found else None

    def outcome(self, settings: Mapping[str, Value]) -> Outcome:
        """All that is kept of a point."""
        if settings.keys() != self.study.axes.keys():
            raise NeurosimError(f"settings are {', '.join(settings)}; the axes are {', '.join(self.study.axes)}")
        task = self.recorder.task(dict(settings))
        if not isinstance(task, Task):
            return task
        known = self.store.point(task.key)
        return self._found(task) if known is None else known

    def _found(self, task: Task) -> Outcome:
        self.recorder.record([task])
        outcome = done(task)
        if outcome["status"] == NEEDS:
            return self._found(task._replace(state_bits=outcome["state_bits"]))
        if outcome["status"] == FAILED:
            raise NeurosimError("; ".join(outcome["reasons"]))
        self.store.keep(task.key, outcome)
        return outcome
