"""A rotation function that is not this project's, as source text.

It fails in the step that FAIL names, or the secret's description: to change that needs no new environment.
"""

TEMPLATE = '''
import json, logging, os
import boto3

logger = logging.getLogger()
logger.setLevel(logging.INFO)
client = boto3.client("secretsmanager", endpoint_url=os.environ.get("SECRETS_MANAGER_ENDPOINT"))


def lambda_handler(event, context):
    """The usual four steps, with nothing to do in set and test."""
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    print("event", sorted(event), arn)
    metadata = client.describe_secret(SecretId=arn)
    if not metadata["RotationEnabled"]:
        raise ValueError("Secret %s is not enabled for rotation" % arn)
    versions = metadata["VersionIdsToStages"]
    if token not in versions:
        raise ValueError("Secret version %s has no stage for rotation of secret %s." % (token, arn))
    if "AWSCURRENT" in versions[token]:
        return
    if "AWSPENDING" not in versions[token]:
        raise ValueError("Secret version %s not set as AWSPENDING for rotation of secret %s." % (token, arn))
    if step in (os.environ.get("FAIL"), metadata.get("Description")):
        raise RuntimeError("deliberate failure in " + step)
    if step == "createSecret":
        create(arn, token)
    elif step == "finishSecret":
        if os.environ.get("NO_MOVE"):
            return
        current = next(version for version in versions if "AWSCURRENT" in versions[version])
        client.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current)
    elif step not in ("setSecret", "testSecret"):
        raise ValueError("Invalid step parameter")


def create(arn, token):
    value = client.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"]
    try:
        client.get_secret_value(SecretId=arn, VersionId=token, VersionStage="AWSPENDING")
    except client.exceptions.ResourceNotFoundException:
        password = client.get_random_password(ExcludeCharacters="/@'")["RandomPassword"]
        key = os.environ.get("KEY")
        new = json.dumps({**json.loads(value), key: password}) if key else password
        client.put_secret_value(SecretId=arn, ClientRequestToken=token, SecretString=new, VersionStages=["AWSPENDING"])
'''
