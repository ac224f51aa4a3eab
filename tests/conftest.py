"""One profile for all property tests: no deadline (compilation is slow), the same examples in every run."""

from hypothesis import HealthCheck, settings

settings.register_profile("neurosim", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
settings.load_profile("neurosim")
