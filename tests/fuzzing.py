"""Set how many examples the fuzzers try: few in `make test`, 100 times as many in `make fuzz`.

The fuzzers are all tests that use Hypothesis. With `--hypothesis-profile=long`, each tries 100
times the examples that it asks for.
"""

from hypothesis import HealthCheck, settings

SHORT = 100  # Hypothesis' own default
LONG_FACTOR = 100


def register_profiles() -> None:
    """Register the long profile; conftest.py does so before Hypothesis reads the option."""
    settings.register_profile("long", max_examples=SHORT * LONG_FACTOR)


def fuzz(examples: int) -> settings:
    """Return the settings of a test that tries this many examples in `make test`."""
    factor = settings.default.max_examples // SHORT
    return settings(
        max_examples=examples * factor,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
