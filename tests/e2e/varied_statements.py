"""SQL as applications write it: many statements, each many times with other data, and with other blanks, comments and case."""

import random

SCHEMA = """
CREATE TABLE orders (id int, customer int, amount numeric, note text, placed date);
CREATE TABLE customers (id int, name text, city text, credit numeric);
CREATE TABLE "Odd Names" ("Id" int, "the name" text);
INSERT INTO orders SELECT i, i % 7, i * 1.5, 'n' || i, date '2026-01-01' + i FROM generate_series(1, 50) i;
INSERT INTO customers SELECT i, 'c' || i, 'city', 10.5 FROM generate_series(1, 7) i;
"""
COLUMNS = {"orders": {"id": "int", "customer": "int", "amount": "numeric", "note": "text", "placed": "date"},
           "customers": {"id": "int", "name": "text", "city": "text", "credit": "numeric"},
           '"Odd Names"': {'"Id"': "int", '"the name"': "text"}}


class Writer:
    """Statements are shapes, lists of words; a literal in a shape is `#` and its type, written anew each time."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def literal(self, kind):
        number = self.random.randint(0, 30000)
        if kind == "int":
            return self.random.choice((str(number), f"-{number + 1}", f"- {number + 1}"))
        if kind == "numeric":
            return f"{number}.{self.random.randint(1, 99)}"
        if kind == "date":
            return f"'2026-{self.random.randint(1, 12):02}-{self.random.randint(1, 28):02}'"
        text = self.random.choice(("plain", "it''s", "a -- b", "/* c", "d */", ";", "(", "?", "$1", "-5", "IN (1, 2)"))
        return self.random.choice((f"'{text}{number}'", f"$${text.replace(chr(39), '')}{number}$$", f"E'{text}\\\\{number}'"))

    def blank(self):
        return self.random.choice((" ",) * 12 + ("  ", "\n", "\t", " /* why */ ", " -- and\n", "/* a /* b */ c */ "))

    def cased(self, word):
        if '"' in word or not word.isascii():
            return word
        return self.random.choice((word, word.upper(), word.lower(), word.capitalize()))

    def write(self, shape):
        text = ""
        for word in shape:
            text += self.blank() if text else ""
            text += self.literal(word[1:]) if word.startswith("#") else self.cased(word)
        return text

    def condition(self, table):
        column, kind = self.random.choice(list(COLUMNS[table].items()))
        form = self.random.randrange(5)
        if form == 0:
            return [column, "BETWEEN", "#" + kind, "AND", "#" + kind]
        if form == 1:
            return [column, "IN", "(", "#" + kind, ",", "#" + kind, ",", "#" + kind, ")"]
        if form == 2:
            return [column, "IS", "NOT", "NULL"]
        return [column, self.random.choice(("=", "<", ">=", "<>")), "#" + kind]

    def where(self, table):
        words = ["WHERE", *self.condition(table)]
        for _ in range(self.random.randrange(3)):
            words += [self.random.choice(("AND", "OR")), *self.condition(table)]
        return words

    def expression(self, table):
        column, kind = self.random.choice(list(COLUMNS[table].items()))
        if kind == "int":
            return self.random.choice(([column], [column, "-", "1"], [column, "+", "1"], ["-", column], ["abs", "(", column, ")"]))
        if kind == "text":
            return self.random.choice(([column], ["upper", "(", column, ")"], [column, "||", "#text"], ["length", "(", column, ")"]))
        return self.random.choice(([column], ["max", "(", column, ")", "OVER", "(", ")"]))

    def select(self):
        table = self.random.choice(list(COLUMNS))
        words = ["SELECT"]
        for i in range(self.random.randint(1, 4)):
            words += ([","] if i else []) + self.expression(table)
        words += ["FROM", table, *self.where(table)]
        if self.random.random() < 0.4:
            words += ["ORDER", "BY", self.random.choice(list(COLUMNS[table])), self.random.choice(("ASC", "DESC"))]
        if self.random.random() < 0.4:
            words += ["LIMIT", "10"]
        return words

    def join(self):
        words = ["SELECT", "c.name", ",", "count", "(", "*", ")", "FROM", "orders", "AS", "o", "JOIN", "customers", "AS", "c",
                 "ON", "o.customer", "=", "c.id", "WHERE", "o.amount", self.random.choice("<>"), "#numeric"]
        if self.random.random() < 0.5:
            words += ["AND", "c.city", "LIKE", "#text"]
        words += ["GROUP", "BY", "c.name"]
        if self.random.random() < 0.5:
            words += ["HAVING", "count", "(", "*", ")", ">", "5"]
        return words

    def change(self):
        table = self.random.choice(list(COLUMNS))
        column, kind = self.random.choice(list(COLUMNS[table].items()))
        form = self.random.randrange(3)
        if form == 0:
            columns = self.random.sample(list(COLUMNS[table]), self.random.randint(1, len(COLUMNS[table])))
            names, values = [], []
            for i, name in enumerate(columns):
                names += ([","] if i else []) + [name]
                values += ([","] if i else []) + ["#" + COLUMNS[table][name]]
            return ["INSERT", "INTO", table, "(", *names, ")", "VALUES", "(", *values, ")"]
        if form == 1:
            return ["UPDATE", table, "SET", column, "=", "#" + kind, *self.where(table)]
        return ["DELETE", "FROM", table, *self.where(table)]

    def case(self):
        return ["SELECT", "CASE", "WHEN", "id", self.random.choice("<>="), "#int", "THEN", "#text", "ELSE", "#text", "END", "FROM",
                "customers", *self.where("customers")]

    def within(self):
        return ["WITH", "w", "AS", "(", *self.select(), ")", "SELECT", "count", "(", "*", ")", "FROM", "w"]

    def all(self, shapes, each):
        """`shapes` statements, each written `each` times, in any order. Some shapes come out alike: they are one."""
        made = [self.random.choice((self.select, self.select, self.select, self.join, self.change, self.case, self.within))()
                for _ in range(shapes)]
        texts = [self.write(shape) for shape in made for _ in range(each)]
        self.random.shuffle(texts)
        return texts


MYSQL_SCHEMA = """
CREATE TABLE orders (id int, customer int, amount numeric(12, 2), note text, placed date);
CREATE TABLE customers (id int, name text, city text, credit numeric(12, 2));
CREATE TABLE `Odd Names` (`Id` int, `the name` text);
INSERT INTO orders SELECT seq, seq % 7, seq * 1.5, concat('n', seq), date '2026-01-01' + interval seq day FROM seq_1_to_50;
INSERT INTO customers SELECT seq, concat('c', seq), 'city', 10.5 FROM seq_1_to_7;
"""


FUNCTIONS = {"abs", "count", "length", "max", "upper"}


class MysqlWriter(Writer):
    """The same in MySQL's dialect: texts in either quote, names in backquotes, comments that begin with # and do not nest. Without signs
    and x'': to a digest of MariaDB `= -5` and `= 5` are two statements (not so `BETWEEN -5 AND 5`), and x'00' is an unknown token."""

    def literal(self, kind):
        if kind == "int":
            return str(self.random.randint(0, 30000))
        if kind != "text":
            return super().literal(kind)
        text = self.random.choice(("plain", "a -- b", "/* c", "d */", ";", "(", "?", "$1", "-5", "IN (1, 2)", "# e", "`f`"))
        number = self.random.randint(0, 30000)
        return self.random.choice((f"'{text}{number}'", f'"{text}{number}"', f"'it''s \"{text}\"{number}'", f'"it\'s ""{text}""{number}"',
                                   f"'{text}\\\\{number}'"))

    def blank(self):
        return self.random.choice((" ",) * 12 + ("  ", "\n", "\t", " /* why */ ", " -- and\n", " # it's\n", "/* a /* b */"))

    def cased(self, word):
        """Keywords alone: two names that differ in their case are two names."""
        return super().cased(word) if word.isupper() else word.replace('"', "`")

    def write(self, shape):
        """The bracket of a built-in function follows its name at once."""
        words = list(shape)
        for i in reversed(range(len(words) - 1)):
            if words[i] in FUNCTIONS and words[i + 1] == "(":
                words[i:i + 2] = [words[i] + "("]
        return super().write(words)

    def within(self):
        return ["WITH", "w", "AS", "(", "SELECT", "id", "FROM", "orders", *self.where("orders"), ")", "SELECT", "count", "(", "*", ")", "FROM", "w"]
