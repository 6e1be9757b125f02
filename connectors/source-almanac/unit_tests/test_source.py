"""Never part of the image: tests stay in the repository."""

from source_almanac.source import Days, SyncMode


def test_a_leap_year_has_its_day() -> None:
    days = list(Days(2024).read_records(SyncMode.full_refresh))
    assert len(days) == 366
    assert days[59] == {"date": "2024-02-29", "weekday": "Thursday", "iso_week": 9, "day_of_year": 60}
