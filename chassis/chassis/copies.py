"""What every service keeps of directory: people, systems, teams, calendars, absences, definitions of fields."""

from chassis import calendars, custom_fields, members

REACTIONS = (*members.REACTIONS, *calendars.REACTIONS, *custom_fields.REACTIONS)
