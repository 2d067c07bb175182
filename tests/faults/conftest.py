"""Real processes that are killed: minutes, so only when asked for with ``-m slow``."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "slow" in str(config.option.markexpr):
        return
    for item in items:
        if "tests/faults" in str(item.path.as_posix()):
            item.add_marker(pytest.mark.skip(reason="run with -m slow"))
