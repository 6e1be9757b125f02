"""The variables of a fleet: which are the same everywhere, which vary, which some have, and whose they are."""

from collections.abc import Mapping, Sequence

from reprobuild.analysis.facts import ImageFacts, Setting

__all__ = ["settings_of"]


def settings_of(images: Sequence[ImageFacts]) -> tuple[Setting, ...]:
    """Return the variables that *images* set, by name. Whether a base sets one is asked of the base."""
    environments = [(one, dict(one.environment)) for one in images]
    names = sorted({name for _, variables in environments for name in variables})
    return tuple(_setting(name, environments) for name in names)


def _setting(name: str, environments: Sequence[tuple[ImageFacts, Mapping[str, str]]]) -> Setting:
    values: dict[str, list[str]] = {}
    from_base: dict[str, bool | None] = {}
    for image, variables in environments:
        if name not in variables:
            continue
        connectors = values.setdefault(variables[name], [])
        if image.connector not in connectors:
            connectors.append(image.connector)
        # Over the platforms of a connector: one that nobody could read leaves it open.
        both = from_base.get(image.connector, True), _is_from_base(image, name, variables)
        from_base[image.connector] = None if None in both else all(both)
    is_common = all(name in variables for _, variables in environments)
    spread = "specific" if not is_common else "static" if len(values) == 1 else "varying"
    return Setting(
        name=name,
        spread=spread,
        values={value: tuple(sorted(values[value])) for value in sorted(values)},
        from_base=dict(sorted(from_base.items())),
    )


def _is_from_base(image: ImageFacts, name: str, variables: Mapping[str, str]) -> bool | None:
    if image.base_environment is None:
        return None
    return name in image.base_environment and image.base_environment[name] == variables[name]
