"""What the tests of all targets share."""

import pytest

pytest.register_assert_rewrite("tests.target_contract")  # so that a case that fails shows the values that it compared
