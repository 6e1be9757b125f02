"""The schemas that are published: the protocol buffers of in-toto's attestation framework, SLSA's among them.

Members that they do not have, and values of other types, are errors.
"""

from typing import Any

from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message

__all__ = ["check_provenance", "check_statement"]


def check_statement(value: dict[str, Any]) -> None:
    """Raise unless *value* is an in-toto Statement v1."""
    Statement.copy_from_pb(ParseDict(value, Message())).validate()


def check_provenance(value: dict[str, Any]) -> None:
    """Raise unless *value* is a statement with a predicate of SLSA provenance v1, and has what SLSA requires."""
    check_statement(value)
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    predicate = ParseDict(value["predicate"], Provenance())
    for one in predicate.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(one).validate()
    assert predicate.build_definition.build_type.startswith("https://")
    assert predicate.build_definition.HasField("external_parameters")
    assert predicate.run_details.builder.id.startswith("https://")
