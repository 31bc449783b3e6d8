"""A VPC with a subnet and a security group, for a function that has to be in one."""

import contextlib
from collections.abc import Iterator

from rotation_lab.sandbox.client import Sandbox


@contextlib.contextmanager
def start(aws: Sandbox) -> Iterator[dict[str, object]]:
    """Make them; the variables ``subnet_ids`` and ``security_group_ids``."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="rotation", Description="Rotation functions")["GroupId"]
    yield {"subnet_ids": [subnet], "security_group_ids": [group]}
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
