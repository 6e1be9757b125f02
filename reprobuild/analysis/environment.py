"""The environment of a fleet, variable by variable: who has it, with which values, and whether the base sets it."""

from collections.abc import Iterable, Mapping, Sequence

from reprobuild.analysis.facts import ImageFacts, Setting

__all__ = ["settings_of"]


def settings_of(images: Iterable[ImageFacts]) -> tuple[Setting, ...]:
    """Return every variable that one of *images* sets, sorted by name.

    It is of the base if the base sets it to the same value; of a connector with several images, if that is so in all.
    """
    values: dict[str, dict[str, set[str]]] = {}
    origins: dict[str, dict[str, list[bool | None]]] = {}
    connectors = set[str]()
    for image in images:
        connectors.add(image.connector)
        base = image.base_environment
        for name, value in image.environment:
            values.setdefault(name, {}).setdefault(value, set()).add(image.connector)
            is_of_base = None if base is None else base.get(name) == value
            origins.setdefault(name, {}).setdefault(image.connector, []).append(is_of_base)
    return tuple(_setting(name, values[name], origins[name], connectors) for name in sorted(values))


def _setting(
    name: str, values: Mapping[str, set[str]], origins: Mapping[str, Sequence[bool | None]], connectors: set[str]
) -> Setting:
    is_common = set().union(*values.values()) == connectors
    return Setting(
        name=name,
        spread="specific" if not is_common else "static" if len(values) == 1 else "varying",
        values={value: tuple(sorted(values[value])) for value in sorted(values)},
        from_base={connector: _of_all(origins[connector]) for connector in sorted(origins)},
    )


def _of_all(answers: Sequence[bool | None]) -> bool | None:
    """Return what the images of one connector say together: no if one does, not known if one does not know."""
    return False if False in answers else None if None in answers else True
