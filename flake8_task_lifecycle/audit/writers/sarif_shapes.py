"""The parts of SARIF 2.1.0 that the audit writes, under the names of the standard."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Level = Literal["error", "warning", "note"]


class Text(TypedDict):
    """``multiformatMessageString`` and ``message``: of both, plain text and Markdown are used."""

    text: str
    markdown: NotRequired[str]


class ArtifactLocation(TypedDict):
    """Where a file lies: its URI is relative to what ``uriBaseId`` names."""

    uri: NotRequired[str]
    uriBaseId: NotRequired[str]
    description: NotRequired[Text]


class Region(TypedDict):
    """Lines and columns count from 1; the end column is the one behind the last character."""

    startLine: int
    startColumn: NotRequired[int]
    endLine: NotRequired[int]
    endColumn: NotRequired[int]


class PhysicalLocation(TypedDict):
    """A stretch of a file."""

    artifactLocation: ArtifactLocation
    region: NotRequired[Region]


class LogicalLocation(TypedDict):
    """A name of the program."""

    fullyQualifiedName: str


class Location(TypedDict):
    """A place, and what is there."""

    physicalLocation: PhysicalLocation
    id: NotRequired[int]
    message: NotRequired[Text]
    logicalLocations: NotRequired[list[LogicalLocation]]


class Suppression(TypedDict):
    """What hides a result."""

    kind: Literal["inSource", "external"]
    status: Literal["accepted"]
    justification: str


class Result(TypedDict):
    """A finding."""

    ruleId: str
    ruleIndex: NotRequired[int]
    level: Level
    message: Text
    locations: list[Location]
    partialFingerprints: dict[str, str]
    relatedLocations: NotRequired[list[Location]]
    suppressions: list[Suppression]


class Configuration(TypedDict):
    """How a rule is set when nobody sets it."""

    enabled: bool
    level: Level


Properties = TypedDict("Properties", {"tags": list[str], "problem.severity": str})


class Rule(TypedDict):
    """``reportingDescriptor``: what a code means."""

    id: str
    name: str
    shortDescription: Text
    fullDescription: Text
    help: Text
    helpUri: NotRequired[str]
    defaultConfiguration: Configuration
    properties: Properties


class Driver(TypedDict):
    """The tool itself."""

    name: str
    fullName: str
    version: str
    semanticVersion: NotRequired[str]
    informationUri: NotRequired[str]
    rules: list[Rule]


class Tool(TypedDict):
    """What made the results."""

    driver: Driver


class Notification(TypedDict):
    """Something that went wrong on the way."""

    level: Level
    message: Text
    locations: NotRequired[list[Location]]


class Invocation(TypedDict):
    """How it went."""

    executionSuccessful: bool
    toolExecutionNotifications: list[Notification]
    toolConfigurationNotifications: list[Notification]


class Run(TypedDict):
    """One audit."""

    tool: Tool
    invocations: list[Invocation]
    originalUriBaseIds: dict[str, ArtifactLocation]
    columnKind: Literal["unicodeCodePoints"]
    results: list[Result]


Log = TypedDict("Log", {"$schema": str, "version": Literal["2.1.0"], "runs": list[Run]})
