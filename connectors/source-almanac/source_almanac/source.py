"""The source and its one stream."""

import calendar
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from airbyte_cdk.models import ConnectorSpecification, SyncMode
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream


class Days(Stream):
    """A record for every day of the configured year."""

    name = "days"
    primary_key = "date"

    def __init__(self, year: int) -> None:
        self.year = year

    def get_json_schema(self) -> Mapping[str, Any]:
        """Return the schema of a record."""
        return {
            "type": "object",
            "properties": {
                "date": {"type": "string", "format": "date"},
                "weekday": {"type": "string"},
                "iso_week": {"type": "integer"},
                "day_of_year": {"type": "integer"},
            },
        }

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """Yield the days in order."""
        day = date(self.year, 1, 1)
        while day.year == self.year:
            yield {
                "date": day.isoformat(),
                "weekday": calendar.day_name[day.weekday()],
                "iso_week": day.isocalendar().week,
                "day_of_year": day.timetuple().tm_yday,
            }
            day += timedelta(days=1)


class SourceAlmanac(AbstractSource):
    """The almanac of one year."""

    def spec(self, logger: Any) -> ConnectorSpecification:
        """Say what may be configured."""
        return ConnectorSpecification(
            connectionSpecification={
                "type": "object",
                "title": "Almanac",
                "required": ["year"],
                "properties": {"year": {"type": "integer", "title": "Year", "minimum": 1, "maximum": 9998}},
            }
        )

    def check_connection(self, logger: Any, config: Mapping[str, Any]) -> tuple[bool, Any]:
        """Accept any year that the calendar has."""
        year = config.get("year")
        if isinstance(year, int) and 1 <= year <= 9998:
            return True, None
        return False, f"not a year: {year!r}"

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """Return the one stream."""
        return [Days(config["year"])]
