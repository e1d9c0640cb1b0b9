"""Many records as a matrix, and the columns learned from them. Only training needs this module, and numpy.

Rates are learned from outcomes. A record must not see its own, so in training its rates come from other folds.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from leads.scoring.features import Column, Field, Kind, Reads, civil, number, texts

FEWEST = 8  # a value of fewer leads than this gets no column of its own
KEPT = 5  # and of fewer than this is not kept at all: a model shall not remember what names a person
MOST_WORDS = 250  # values with a column of their own
PRIOR = 12.0  # so many leads of the average kind are added to each value's own (m-estimate)
FOLDS = 5
EPOCH = 719163  # ordinal of 1970-01-01


class Table:
    """Records read once: numbers as they are, texts as codes into a sorted vocabulary."""

    def __init__(self, records: Sequence[Mapping[str, Any]], fields: Sequence[Field]) -> None:
        self.fields, self.size = list(fields), len(records)
        self.numbers: dict[str, np.ndarray] = {}
        self.codes: dict[str, np.ndarray] = {}
        self.words: dict[str, list[str]] = {}
        self.blank: dict[str, np.ndarray] = {}
        self._places: dict[str, dict[str, int]] = {}
        for item in fields:
            values = [record.get(item.name) for record in records]
            said = texts(values)
            self.blank[item.name] = np.array([not word for word in said], dtype=float)
            if item.kind is Kind.NUMBER:
                self.numbers[item.name] = _floats([number(value) for value in values])
            elif item.kind is Kind.DATE:
                days = [civil(value) for value in values]
                self.numbers[item.name] = _floats([day.toordinal() - EPOCH if day else None for day in days])
            else:
                self.words[item.name] = sorted(set(said))
                self._places[item.name] = {word: place for place, word in enumerate(self.words[item.name])}
                self.codes[item.name] = np.array([self._places[item.name][word] for word in said], dtype=np.int64)

    def column(self, column: Column, rows: np.ndarray) -> np.ndarray:
        """One column for some rows; NaN where it is blank. The same numbers as `Column.read`."""
        name = column.field
        match column.reads:
            case Reads.BLANK:
                return self.blank[name][rows]
            case Reads.NUMBER | Reads.DAY:
                return self.numbers[name][rows]
            case Reads.MONTH | Reads.WEEKDAY:
                return _date_part(self.numbers[name][rows], column.reads)
            case Reads.IS:
                return (self.codes[name][rows] == self._places[name].get(column.value, -1)).astype(float)
        values = np.array([column.table.get(word, column.default) for word in self.words[name]])
        return values[self.codes[name][rows]]

    def matrix(self, columns: Sequence[Column], rows: np.ndarray) -> np.ndarray:
        whole = np.empty((len(rows), len(columns)), order="F")  # read by columns
        for place, column in enumerate(columns):
            whole[:, place] = self.column(column, rows)
        return whole


def learn(table: Table, won: np.ndarray, rows: np.ndarray) -> list[Column]:
    """The columns that the leads of `rows` teach."""
    columns = []
    for item in table.fields:
        if item.kind is Kind.NUMBER:
            columns += [Column(item.name, Reads.NUMBER), Column(item.name, Reads.BLANK)]
        elif item.kind is Kind.DATE:
            columns += [Column(item.name, reads) for reads in (Reads.DAY, Reads.MONTH, Reads.WEEKDAY, Reads.BLANK)]
        else:
            columns += _of_texts(table, item, won, rows)
    return [column for column in columns if _varies(table.column(column, rows))]


def _of_texts(table: Table, item: Field, won: np.ndarray, rows: np.ndarray) -> list[Column]:
    words, codes = table.words[item.name], table.codes[item.name][rows]
    counts = np.bincount(codes, minlength=len(words))
    frequent = sorted((-count, word) for word, count in zip(words, counts, strict=True) if count >= FEWEST)[:MOST_WORDS]
    columns = [Column(item.name, Reads.IS, word) for _, word in frequent]
    if item.kind is Kind.IDENTIFIER:
        columns.append(rate(table, item.name, won, rows))
        seen = {word: math.log1p(count) for word, count in zip(words, counts.tolist(), strict=True) if count >= KEPT}
        columns.append(Column(item.name, Reads.COUNT, table=seen))
    return columns


def rate(table: Table, name: str, won: np.ndarray, rows: np.ndarray) -> Column:
    """How often the leads of each value won, as log-odds, drawn towards all leads' by PRIOR of them."""
    words, codes = table.words[name], table.codes[name][rows]
    counts = np.bincount(codes, minlength=len(words))
    wins = np.bincount(codes, weights=won[rows], minlength=len(words))
    average = (won[rows].sum() + 0.5) / (len(rows) + 1)
    rates = (wins + PRIOR * average) / (counts + PRIOR)
    odds = np.log(rates / (1 - rates))
    learned = {word: float(odds[place]) for place, word in enumerate(words) if counts[place] >= KEPT}
    return Column(name, Reads.RATE, table=learned, default=math.log(average / (1 - average)))


def cross_fitted(table: Table, columns: Sequence[Column], won: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """The matrix to train on: each lead's rates come from leads of other folds."""
    matrix = table.matrix(columns, rows)
    fold = np.random.default_rng(seed).permutation(len(rows)) % FOLDS
    for place, column in enumerate(columns):
        if column.reads is Reads.RATE:
            for part in range(FOLDS):
                here = fold == part
                elsewhere = rate(table, column.field, won, rows[~here])
                matrix[here, place] = table.column(elsewhere, rows[here])
    return matrix


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _date_part(days: np.ndarray, reads: Reads) -> np.ndarray:
    part = np.full(len(days), math.nan)
    known = ~np.isnan(days)
    whole = days[known].astype("datetime64[D]")
    if reads is Reads.MONTH:
        part[known] = whole.astype("datetime64[M]").astype(int) % 12 + 1
    else:
        part[known] = (whole.astype(int) + 3) % 7 + 1
    return part


def _varies(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return bool(len(known)) and bool(known.min() < known.max() or len(known) < len(values))
