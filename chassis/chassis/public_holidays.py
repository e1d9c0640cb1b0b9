"""Which days are holidays, and which are worked instead: from the package that knows the world's."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.metadata import version as edition

from chassis.business_time import Holiday, Schedule, Version
from chassis.errors import InvalidArgument


class UnknownHolidays(InvalidArgument):
    """Nothing is known about the holidays of such a country, subdivision or category."""


def holidays_of(versions: Sequence[Version], first_year: int, last_year: int) -> list[Holiday]:
    """The holidays and make-up days of some years, each by the version that holds on that day, under their names in
    the country's own language. Takes up to seconds the first time; UnknownHolidays if a source names none.

    Of far years this is provisional: countries move holidays, and China makes known a year's make-up days only in the
    autumn before.
    """
    ordered = Schedule(time_zone="UTC", versions=versions).in_order()
    begins = [date.min, *(version.valid_from for version in ordered[1:]), date.max]
    found: dict[date, Holiday] = {}
    for version, begin, end in zip(ordered, begins, begins[1:], strict=False):
        for source in version.holiday_sources:
            key = source.country, source.subdivision, tuple(source.categories), first_year, last_year
            for holiday in _of_source(*key):
                if begin <= holiday.date < end and (holiday.date not in found or holiday.working):
                    found[holiday.date] = holiday
    return [found[day] for day in sorted(found)]


def holiday_data_version() -> str:
    """Which edition of the world's holidays `holidays_of` knows."""
    return edition("holidays")


@lru_cache(maxsize=64)
def _of_source(country: str, subdivision: str, categories: tuple[str, ...], first: int, last: int) -> list[Holiday]:
    import holidays  # the rules of all countries: too much to load for who does not ask

    if "half_day" in categories:
        raise UnknownHolidays(category="half_day: half a day off is an exception with hours")
    years = range(first, last + 1)
    try:
        native = holidays.country_holidays(country).default_language
        days = holidays.country_holidays(
            country, subdivision or None, years=years, language=native, categories=categories or None
        )
    except (NotImplementedError, ValueError) as unknown:
        raise UnknownHolidays(source=str(unknown)) from unknown
    off = [Holiday(date=day, display_name=name) for day, name in days.items() if day.year in years]
    made_up = [day for day in days.weekend_workdays if day.year in years]
    return off + [Holiday(date=day, display_name="", working=True) for day in made_up]
