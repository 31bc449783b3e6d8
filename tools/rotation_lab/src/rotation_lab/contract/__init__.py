"""What every rotation function has to do, as a test class to inherit: your function, a real service, Secrets Manager.

    # conftest.py
    pytest.register_assert_rewrite("rotation_lab.contract")

    # test_my_function.py
    from rotation_lab.contract import Place, RotationContract
    from rotation_lab.services import postgresql

    class TestMyFunction(RotationContract):
        required_keys = ("username", "host")
        not_applicable = {"test_a_server_without_tls_is_refused": "it may be reached without TLS"}

        @pytest.fixture
        def service(self):
            with postgresql.start() as server:
                yield server.credential()

        def environment(self, place: Place):
            return {"DATABASE_CA": place.ca}

        def start(self, environment):
            return my_function.lambda_handler

The handler runs in the test's process, all four steps, with its environment variables set. Its boto3 clients are real
up to the network, where a model of Secrets Manager answers. After each case, all that the function has printed and
raised is searched for the values of the secret, in pieces of eight characters.

A case that has no meaning for a function is named in ``not_applicable`` with the reason, and is shown as skipped.
"""

from .scene import Place, Scene, Served, Setup
from .suite import PASSWORDS, RotationContract
from .world import Kind, World

__all__ = ["PASSWORDS", "Kind", "Place", "RotationContract", "Scene", "Served", "Setup", "World"]
