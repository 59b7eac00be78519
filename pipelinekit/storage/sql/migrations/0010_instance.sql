-- How often runs were taken from these records, ever, and how often the records were put back to an earlier state. Beside
-- them each workspace folder keeps what it saw last, so that records that have fallen behind it are noticed.
create table instance (
    id integer primary key,
    generation integer not null,
    taken integer not null
)
