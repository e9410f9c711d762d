/* The tables of the machine in sql_normal.h, one a dialect: (state, class of the character) -> (next state, what to do); and the
 * class of each character. sql_shape.h relies on what they say of digits and of what is in a string. */
#ifndef OUTRIDER_BPF_SQL_TABLE_H
#define OUTRIDER_BPF_SQL_TABLE_H

#include <linux/types.h>

#include "../abi/statement.h"

/* Of a character. */
enum sql_class {
	SQL_C_OTHER = 0, SQL_C_NUL, SQL_C_SPACE, SQL_C_LINE, SQL_C_NAME, SQL_C_E, SQL_C_DIGIT, SQL_C_QUOTE, SQL_C_DOUBLE,
	SQL_C_DOLLAR, SQL_C_DOT, SQL_C_PLUS, SQL_C_MINUS, SQL_C_SLASH, SQL_C_STAR, SQL_C_BACKSLASH, SQL_C_COMMA, SQL_C_OPEN,
	SQL_C_CLOSE, SQL_C_SEMICOLON, SQL_C_QUESTION,
	SQL_C_TEXT, /* " where it is about a literal */
	SQL_C_HASH, /* # where a comment begins with it */
	SQL_C_BANG, /* ! where it makes code of a comment */
	SQL_CLASSES,
	SQL_C_PARAMETER = SQL_C_HASH, /* what else than a dollar a parameter's name begins with (SQLite) */
};
#define SQL_CLASS_BITS 5

enum sql_state {
	SQL_S_START = 0, /* behind an operator, a comma, an opening bracket: a sign is a literal's */
	SQL_S_VALUE,     /* behind a literal, a name in quotes, a closing bracket */
	SQL_S_NAME,      /* behind a word and a blank */
	SQL_S_MEMBER,    /* behind the comma that follows a literal in an IN list */
	SQL_S_WORD, SQL_S_NUMBER, SQL_S_EXPONENT,
	SQL_S_STRING, SQL_S_STRING_QUOTE, SQL_S_STRING_BACKSLASH,
	SQL_S_ESCAPED, SQL_S_ESCAPED_QUOTE, SQL_S_ESCAPED_BACKSLASH, /* E'' */
	SQL_S_QUOTED_FIRST, SQL_S_QUOTED, SQL_S_QUOTED_QUOTE,        /* "" */
	SQL_S_DOLLAR, SQL_S_MEMBER_DOLLAR, SQL_S_TAG, SQL_S_BODY, SQL_S_BODY_TAG,
	SQL_S_SIGN, SQL_S_SIGN_BLANK, SQL_S_MEMBER_SIGN, /* of a literal, if one follows */
	SQL_S_MINUS,                                     /* an operator, or the first half of a comment's beginning */
	SQL_S_SLASH, SQL_S_DOT,
	SQL_S_LINE_COMMENT, SQL_S_COMMENT, SQL_S_COMMENT_STAR, SQL_S_COMMENT_SLASH,
	SQL_S_STOP, /* what comes cannot be told from a literal */
	SQL_STATES,
	/* Where nothing is quoted by dollars: */
	SQL_S_OVER = SQL_S_DOLLAR,          /* behind the semicolon that ends the statement */
	SQL_S_DASHES = SQL_S_MEMBER_DOLLAR, /* a comment, if a blank follows (MySQL) */
	SQL_S_COMMENT_BEGINS = SQL_S_COMMENT_SLASH, /* or code, if a ! follows, or a letter and one (MySQL) */
	SQL_S_COMMENT_LETTER = SQL_S_BODY,
	SQL_S_PARAMETER = SQL_S_MEMBER_DOLLAR, /* a named one (SQLite) */
};
#define SQL_STATE_BITS 5
#define SQL_DIALECT_BITS 2

enum sql_action {
	SQL_A_NONE = 0,
	SQL_A_CONTINUE, /* a letter of a word */
	SQL_A_BEGIN,    /* its first one */
	SQL_A_OPERATOR,
	SQL_A_LITERAL,
	SQL_A_EVENT,    /* that has to be decided */
};

/* Symbols are characters, with a bit that says where a word begins or what is no part of one. */
#define SQL_BEGINS 0x100u
#define SQL_IS_OPERATOR 0x200u
#define SQL_IS_LITERAL 0x400u

#define T(state, action) ((state) | (action) << SQL_STATE_BITS)
#define BEGINS T(SQL_S_WORD, SQL_A_BEGIN)
#define EVENT(state) T(state, SQL_A_EVENT)

/* What begins behind `state`, where a dot begins a name's second half. */
#define SQL_TOKENS(state)                                                                                                  \
	[SQL_C_OTHER] = T(SQL_S_START, SQL_A_OPERATOR), [SQL_C_NUL] = EVENT(state), [SQL_C_SPACE] = T(state, SQL_A_NONE), \
	[SQL_C_LINE] = T(state, SQL_A_NONE), [SQL_C_NAME] = BEGINS, [SQL_C_E] = BEGINS,                                     \
	[SQL_C_DIGIT] = T(SQL_S_NUMBER, SQL_A_LITERAL), [SQL_C_QUOTE] = T(SQL_S_STRING, SQL_A_LITERAL),                     \
	[SQL_C_DOUBLE] = T(SQL_S_QUOTED_FIRST, SQL_A_NONE), [SQL_C_DOLLAR] = T(SQL_S_DOLLAR, SQL_A_NONE),                   \
	[SQL_C_DOT] = T(SQL_S_START, SQL_A_OPERATOR), [SQL_C_PLUS] = EVENT(state), [SQL_C_MINUS] = EVENT(state),            \
	[SQL_C_SLASH] = EVENT(state), [SQL_C_STAR] = T(SQL_S_START, SQL_A_OPERATOR),                                        \
	[SQL_C_BACKSLASH] = T(SQL_S_START, SQL_A_OPERATOR), [SQL_C_COMMA] = EVENT(state), [SQL_C_OPEN] = EVENT(state),      \
	[SQL_C_CLOSE] = EVENT(state), [SQL_C_SEMICOLON] = T(SQL_S_START, SQL_A_NONE),                                       \
	[SQL_C_QUESTION] = T(SQL_S_VALUE, SQL_A_LITERAL)
#define SQL_MYSQL_TOKENS(state)                                                                                            \
	SQL_TOKENS(state), [SQL_C_QUOTE] = T(SQL_S_ESCAPED, SQL_A_LITERAL), [SQL_C_TEXT] = T(SQL_S_STRING, SQL_A_LITERAL),  \
	[SQL_C_DOLLAR] = BEGINS, [SQL_C_HASH] = EVENT(state), [SQL_C_BANG] = T(SQL_S_START, SQL_A_OPERATOR),                \
	[SQL_C_DOUBLE] = EVENT(state), [SQL_C_SEMICOLON] = T(SQL_S_OVER, SQL_A_NONE)
#define SQL_PARAMETER T(SQL_S_PARAMETER, SQL_A_BEGIN)
#define SQL_PARAMETER_GOES_ON T(SQL_S_PARAMETER, SQL_A_CONTINUE)
#define SQL_SQLITE_TOKENS(state)                                                                                           \
	SQL_TOKENS(state), [SQL_C_DOUBLE] = EVENT(state), [SQL_C_DOLLAR] = SQL_PARAMETER,                                    \
	[SQL_C_PARAMETER] = SQL_PARAMETER,                                                                                   \
	[SQL_C_QUESTION] = T(SQL_S_NUMBER, SQL_A_LITERAL), [SQL_C_SEMICOLON] = T(SQL_S_OVER, SQL_A_NONE)
/* All alike. */
#define SQL_ALL(entry)                                                                                                     \
	[SQL_C_OTHER] = entry, [SQL_C_NUL] = EVENT(SQL_S_STOP), [SQL_C_SPACE] = entry, [SQL_C_LINE] = entry, [SQL_C_NAME] = entry,      \
	[SQL_C_E] = entry, [SQL_C_DIGIT] = entry, [SQL_C_QUOTE] = entry, [SQL_C_DOUBLE] = entry, [SQL_C_DOLLAR] = entry,    \
	[SQL_C_DOT] = entry, [SQL_C_PLUS] = entry, [SQL_C_MINUS] = entry, [SQL_C_SLASH] = entry, [SQL_C_STAR] = entry,      \
	[SQL_C_BACKSLASH] = entry, [SQL_C_COMMA] = entry, [SQL_C_OPEN] = entry, [SQL_C_CLOSE] = entry,                      \
	[SQL_C_SEMICOLON] = entry, [SQL_C_QUESTION] = entry, [SQL_C_TEXT] = entry, [SQL_C_HASH] = entry,          \
	[SQL_C_BANG] = entry

/* Later entries of a row replace those of the macro before them, as is meant. */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define SQL_STOPS T(SQL_S_STOP, SQL_A_EVENT)
/* The rows of PostgreSQL, with the tokens of whatever dialect. */
#define SQL_ROWS(TOKENS) \
	[SQL_S_START] = {TOKENS(SQL_S_START), [SQL_C_DOT] = T(SQL_S_DOT, SQL_A_NONE)}, \
	[SQL_S_VALUE] = {TOKENS(SQL_S_VALUE)}, \
	[SQL_S_NAME] = {TOKENS(SQL_S_NAME)}, \
	[SQL_S_MEMBER] = {TOKENS(SQL_S_MEMBER), [SQL_C_DIGIT] = EVENT(SQL_S_NUMBER), [SQL_C_QUOTE] = EVENT(SQL_S_STRING), \
			  [SQL_C_QUESTION] = EVENT(SQL_S_VALUE), [SQL_C_DOLLAR] = T(SQL_S_MEMBER_DOLLAR, SQL_A_NONE)}, \
	[SQL_S_WORD] = {TOKENS(SQL_S_NAME), [SQL_C_NAME] = T(SQL_S_WORD, SQL_A_CONTINUE), [SQL_C_E] = T(SQL_S_WORD, SQL_A_CONTINUE), \
			[SQL_C_DIGIT] = T(SQL_S_WORD, SQL_A_CONTINUE), [SQL_C_DOLLAR] = T(SQL_S_WORD, SQL_A_CONTINUE), \
			[SQL_C_QUOTE] = EVENT(SQL_S_STRING)}, \
	[SQL_S_NUMBER] = {TOKENS(SQL_S_VALUE), [SQL_C_DIGIT] = T(SQL_S_NUMBER, SQL_A_NONE), [SQL_C_DOT] = T(SQL_S_NUMBER, SQL_A_NONE), \
			  [SQL_C_NAME] = T(SQL_S_NUMBER, SQL_A_NONE), [SQL_C_E] = T(SQL_S_EXPONENT, SQL_A_NONE)}, \
	[SQL_S_EXPONENT] = {TOKENS(SQL_S_VALUE), [SQL_C_DIGIT] = T(SQL_S_NUMBER, SQL_A_NONE), [SQL_C_DOT] = T(SQL_S_NUMBER, SQL_A_NONE), \
			    [SQL_C_NAME] = T(SQL_S_NUMBER, SQL_A_NONE), [SQL_C_E] = T(SQL_S_EXPONENT, SQL_A_NONE), \
			    [SQL_C_PLUS] = T(SQL_S_NUMBER, SQL_A_NONE), [SQL_C_MINUS] = EVENT(SQL_S_NUMBER)}, \
	[SQL_S_STRING] = {SQL_ALL(T(SQL_S_STRING, SQL_A_NONE)), [SQL_C_QUOTE] = T(SQL_S_STRING_QUOTE, SQL_A_NONE), \
			  [SQL_C_BACKSLASH] = T(SQL_S_STRING_BACKSLASH, SQL_A_NONE)}, \
	[SQL_S_STRING_QUOTE] = {TOKENS(SQL_S_VALUE), [SQL_C_QUOTE] = T(SQL_S_STRING, SQL_A_NONE), [SQL_C_NAME] = SQL_STOPS, \
				[SQL_C_E] = SQL_STOPS, [SQL_C_DIGIT] = SQL_STOPS}, \
	[SQL_S_STRING_BACKSLASH] = {SQL_ALL(T(SQL_S_STRING, SQL_A_NONE)), [SQL_C_QUOTE] = SQL_STOPS, \
				    [SQL_C_BACKSLASH] = T(SQL_S_STRING_BACKSLASH, SQL_A_NONE)}, \
	[SQL_S_ESCAPED] = {SQL_ALL(T(SQL_S_ESCAPED, SQL_A_NONE)), [SQL_C_QUOTE] = T(SQL_S_ESCAPED_QUOTE, SQL_A_NONE), \
			   [SQL_C_BACKSLASH] = T(SQL_S_ESCAPED_BACKSLASH, SQL_A_NONE)}, \
	[SQL_S_ESCAPED_QUOTE] = {TOKENS(SQL_S_VALUE), [SQL_C_QUOTE] = T(SQL_S_ESCAPED, SQL_A_NONE), [SQL_C_NAME] = SQL_STOPS, \
				 [SQL_C_E] = SQL_STOPS, [SQL_C_DIGIT] = SQL_STOPS}, \
	[SQL_S_ESCAPED_BACKSLASH] = {SQL_ALL(T(SQL_S_ESCAPED, SQL_A_NONE))}, \
	[SQL_S_QUOTED_FIRST] = {SQL_ALL(EVENT(SQL_S_QUOTED)), [SQL_C_DOUBLE] = T(SQL_S_VALUE, SQL_A_NONE)}, \
	[SQL_S_QUOTED] = {SQL_ALL(EVENT(SQL_S_QUOTED)), [SQL_C_DOUBLE] = T(SQL_S_QUOTED_QUOTE, SQL_A_NONE)}, \
	[SQL_S_QUOTED_QUOTE] = {TOKENS(SQL_S_VALUE), [SQL_C_DOUBLE] = EVENT(SQL_S_QUOTED)}, \
	[SQL_S_DOLLAR] = {SQL_ALL(EVENT(SQL_S_DOLLAR)), [SQL_C_DIGIT] = T(SQL_S_NUMBER, SQL_A_LITERAL)}, \
	[SQL_S_MEMBER_DOLLAR] = {SQL_ALL(EVENT(SQL_S_DOLLAR)), [SQL_C_DIGIT] = EVENT(SQL_S_NUMBER)}, \
	[SQL_S_TAG] = {SQL_ALL(SQL_STOPS), [SQL_C_NAME] = EVENT(SQL_S_TAG), [SQL_C_E] = EVENT(SQL_S_TAG), [SQL_C_DIGIT] = EVENT(SQL_S_TAG), \
		       [SQL_C_DOLLAR] = EVENT(SQL_S_TAG)}, \
	[SQL_S_BODY] = {SQL_ALL(T(SQL_S_BODY, SQL_A_NONE)), [SQL_C_DOLLAR] = EVENT(SQL_S_BODY)}, \
	[SQL_S_BODY_TAG] = {SQL_ALL(T(SQL_S_BODY, SQL_A_NONE)), [SQL_C_NAME] = EVENT(SQL_S_BODY_TAG), [SQL_C_E] = EVENT(SQL_S_BODY_TAG), \
			    [SQL_C_DIGIT] = EVENT(SQL_S_BODY_TAG), [SQL_C_DOLLAR] = EVENT(SQL_S_BODY_TAG)}, \
	[SQL_S_SIGN] = {SQL_ALL(EVENT(SQL_S_SIGN)), [SQL_C_SPACE] = T(SQL_S_SIGN_BLANK, SQL_A_NONE), \
			[SQL_C_LINE] = T(SQL_S_SIGN_BLANK, SQL_A_NONE), [SQL_C_DIGIT] = T(SQL_S_NUMBER, SQL_A_LITERAL), \
			[SQL_C_DOLLAR] = T(SQL_S_DOLLAR, SQL_A_NONE)}, \
	[SQL_S_SIGN_BLANK] = {SQL_ALL(EVENT(SQL_S_SIGN_BLANK)), [SQL_C_SPACE] = T(SQL_S_SIGN_BLANK, SQL_A_NONE), \
			      [SQL_C_LINE] = T(SQL_S_SIGN_BLANK, SQL_A_NONE), [SQL_C_DIGIT] = T(SQL_S_NUMBER, SQL_A_LITERAL), \
			      [SQL_C_DOLLAR] = T(SQL_S_DOLLAR, SQL_A_NONE)}, \
	[SQL_S_MEMBER_SIGN] = {SQL_ALL(EVENT(SQL_S_SIGN)), [SQL_C_DIGIT] = EVENT(SQL_S_NUMBER)}, \
	[SQL_S_MINUS] = {SQL_ALL(EVENT(SQL_S_MINUS))}, \
	[SQL_S_SLASH] = {SQL_ALL(EVENT(SQL_S_SLASH))}, \
	[SQL_S_DOT] = {SQL_ALL(EVENT(SQL_S_DOT)), [SQL_C_DIGIT] = T(SQL_S_NUMBER, SQL_A_LITERAL)}, \
	[SQL_S_LINE_COMMENT] = {SQL_ALL(T(SQL_S_LINE_COMMENT, SQL_A_NONE)), [SQL_C_LINE] = EVENT(SQL_S_LINE_COMMENT)}, \
	[SQL_S_COMMENT] = {SQL_ALL(T(SQL_S_COMMENT, SQL_A_NONE)), [SQL_C_STAR] = T(SQL_S_COMMENT_STAR, SQL_A_NONE), \
			   [SQL_C_SLASH] = T(SQL_S_COMMENT_SLASH, SQL_A_NONE)}, \
	[SQL_S_COMMENT_STAR] = {SQL_ALL(T(SQL_S_COMMENT, SQL_A_NONE)), [SQL_C_STAR] = T(SQL_S_COMMENT_STAR, SQL_A_NONE), \
				[SQL_C_SLASH] = EVENT(SQL_S_COMMENT_STAR)}, \
	[SQL_S_COMMENT_SLASH] = {SQL_ALL(T(SQL_S_COMMENT, SQL_A_NONE)), [SQL_C_STAR] = EVENT(SQL_S_COMMENT_SLASH), \
				 [SQL_C_SLASH] = T(SQL_S_COMMENT_SLASH, SQL_A_NONE)}, \
	[SQL_S_STOP] = {SQL_ALL(T(SQL_S_STOP, SQL_A_NONE))}

/* Comments do not nest, and a semicolon ends the statement: a text of several is given to the parser once for each. */
#define SQL_PLAIN_COMMENTS [SQL_S_COMMENT][SQL_C_SLASH] = T(SQL_S_COMMENT, SQL_A_NONE)
/* Several quotes are about names, or what is in them has to be looked at. */
#define SQL_QUOTED_NAMES                                                                                                   \
	[SQL_S_QUOTED_FIRST][SQL_C_DOUBLE] = EVENT(SQL_S_QUOTED), [SQL_S_QUOTED][SQL_C_DOUBLE] = EVENT(SQL_S_QUOTED),        \
	[SQL_S_QUOTED_QUOTE] = {SQL_ALL(EVENT(SQL_S_QUOTED_QUOTE))}
#define SQL_ENDS                                                                                                           \
	[SQL_S_OVER] = {SQL_ALL(T(SQL_S_OVER, SQL_A_NONE))}, [SQL_S_START][SQL_C_SEMICOLON] = T(SQL_S_START, SQL_A_NONE)

static const __u16 sql_table[1 << SQL_DIALECT_BITS][1 << SQL_STATE_BITS][1 << SQL_CLASS_BITS] = {
	[OUTRIDER_SQL_POSTGRESQL] = {SQL_ROWS(SQL_TOKENS)},
	/* Texts in either quote; E'' is none, and its states are those of texts in single ones. */
	[OUTRIDER_SQL_MYSQL] = {
		SQL_ROWS(SQL_MYSQL_TOKENS), SQL_PLAIN_COMMENTS, SQL_QUOTED_NAMES, SQL_ENDS,
		/* Of gbk, big5 and sjis a backtick behind a byte may be a character's second half. */
		[SQL_S_NUMBER][SQL_C_DOUBLE] = SQL_STOPS, [SQL_S_EXPONENT][SQL_C_DOUBLE] = SQL_STOPS,
		[SQL_S_COMMENT_BEGINS] = {SQL_ALL(T(SQL_S_COMMENT, SQL_A_NONE)), [SQL_C_STAR] = T(SQL_S_COMMENT_STAR, SQL_A_NONE),
					  [SQL_C_NAME] = T(SQL_S_COMMENT_LETTER, SQL_A_NONE), [SQL_C_BANG] = SQL_STOPS},
		[SQL_S_COMMENT_LETTER] = {SQL_ALL(T(SQL_S_COMMENT, SQL_A_NONE)), [SQL_C_STAR] = T(SQL_S_COMMENT_STAR, SQL_A_NONE),
					  [SQL_C_BANG] = SQL_STOPS},
		[SQL_S_MEMBER][SQL_C_QUOTE] = EVENT(SQL_S_ESCAPED), [SQL_S_MEMBER][SQL_C_TEXT] = EVENT(SQL_S_STRING),
		[SQL_S_MEMBER][SQL_C_DOLLAR] = BEGINS, [SQL_S_WORD][SQL_C_QUOTE] = EVENT(SQL_S_ESCAPED),
		[SQL_S_DASHES] = {SQL_ALL(EVENT(SQL_S_DASHES)), [SQL_C_SPACE] = T(SQL_S_LINE_COMMENT, SQL_A_NONE)},
		[SQL_S_STRING][SQL_C_QUOTE] = T(SQL_S_STRING, SQL_A_NONE),
		[SQL_S_STRING][SQL_C_TEXT] = T(SQL_S_STRING_QUOTE, SQL_A_NONE),
		[SQL_S_STRING_QUOTE][SQL_C_QUOTE] = T(SQL_S_ESCAPED, SQL_A_LITERAL),
		[SQL_S_STRING_QUOTE][SQL_C_TEXT] = T(SQL_S_STRING, SQL_A_NONE),
		[SQL_S_STRING_BACKSLASH][SQL_C_QUOTE] = T(SQL_S_STRING, SQL_A_NONE),
		[SQL_S_STRING_BACKSLASH][SQL_C_TEXT] = SQL_STOPS,
		[SQL_S_ESCAPED_BACKSLASH][SQL_C_QUOTE] = SQL_STOPS,
		[SQL_S_ESCAPED_BACKSLASH][SQL_C_BACKSLASH] = T(SQL_S_ESCAPED_BACKSLASH, SQL_A_NONE),
		[SQL_S_SIGN][SQL_C_DOLLAR] = EVENT(SQL_S_SIGN), [SQL_S_SIGN_BLANK][SQL_C_DOLLAR] = EVENT(SQL_S_SIGN_BLANK),
	},
	/* Names in any of three quotes; a backslash is a character like any other. */
	[OUTRIDER_SQL_SQLITE] = {
		SQL_ROWS(SQL_SQLITE_TOKENS), SQL_PLAIN_COMMENTS, SQL_QUOTED_NAMES, SQL_ENDS,
		/* What follows it in brackets would belong to its name: $a('it). */
		[SQL_S_PARAMETER] = {SQL_SQLITE_TOKENS(SQL_S_NAME), [SQL_C_NAME] = SQL_PARAMETER_GOES_ON,
				     [SQL_C_E] = SQL_PARAMETER_GOES_ON, [SQL_C_DIGIT] = SQL_PARAMETER_GOES_ON,
				     [SQL_C_DOLLAR] = SQL_PARAMETER_GOES_ON, [SQL_C_PARAMETER] = SQL_PARAMETER_GOES_ON,
				     [SQL_C_OPEN] = SQL_STOPS},
		[SQL_S_MEMBER][SQL_C_QUESTION] = EVENT(SQL_S_NUMBER), [SQL_S_MEMBER][SQL_C_DOLLAR] = SQL_PARAMETER,
		[SQL_S_STRING][SQL_C_BACKSLASH] = T(SQL_S_STRING, SQL_A_NONE),
		[SQL_S_SIGN][SQL_C_DOLLAR] = EVENT(SQL_S_SIGN), [SQL_S_SIGN_BLANK][SQL_C_DOLLAR] = EVENT(SQL_S_SIGN_BLANK),
	},
};
/* Of each character: its lower case, and its class above that. Bytes of multi-byte characters belong to names. */
#define SQL_CHARACTER(c, class) [c] = (c) | (class) << 8
#define SQL_LETTER(lower) [(lower) - 32] = (lower) | SQL_C_NAME << 8, [lower] = (lower) | SQL_C_NAME << 8
#define SQL_SIX_LETTERS(a) SQL_LETTER(a), SQL_LETTER((a) + 1), SQL_LETTER((a) + 2), SQL_LETTER((a) + 3), SQL_LETTER((a) + 4), SQL_LETTER((a) + 5)
#define SQL_FOUR(m, c, class) m(c, class), m((c) + 1, class), m((c) + 2, class), m((c) + 3, class)
#define SQL_SIXTEEN(m, c, class) SQL_FOUR(m, c, class), SQL_FOUR(m, (c) + 4, class), SQL_FOUR(m, (c) + 8, class), SQL_FOUR(m, (c) + 12, class)
#define SQL_CHARACTERS \
	SQL_CHARACTER(0, SQL_C_NUL), SQL_FOUR(SQL_CHARACTER, 1, 0), SQL_FOUR(SQL_CHARACTER, 5, 0), SQL_FOUR(SQL_CHARACTER, 14, 0), \
	SQL_FOUR(SQL_CHARACTER, 18, 0), SQL_FOUR(SQL_CHARACTER, 22, 0), SQL_FOUR(SQL_CHARACTER, 26, 0), SQL_CHARACTER(30, 0), \
	SQL_CHARACTER(31, 0), SQL_CHARACTER(127, 0), \
	SQL_CHARACTER('!', 0), SQL_CHARACTER('%', 0), SQL_CHARACTER('&', 0), SQL_CHARACTER(':', 0), SQL_CHARACTER('<', 0), \
	SQL_CHARACTER('=', 0), SQL_CHARACTER('>', 0), SQL_CHARACTER('@', 0), SQL_CHARACTER('[', 0), SQL_CHARACTER(']', SQL_C_CLOSE), \
	SQL_CHARACTER('^', 0), SQL_CHARACTER('`', 0), SQL_CHARACTER('{', 0), SQL_CHARACTER('|', 0), SQL_CHARACTER('}', 0), \
	SQL_CHARACTER('~', 0), SQL_CHARACTER('#', 0), SQL_CHARACTER(' ', SQL_C_SPACE), SQL_CHARACTER('\t', SQL_C_SPACE), \
	SQL_CHARACTER('\v', SQL_C_SPACE), SQL_CHARACTER('\f', SQL_C_SPACE), SQL_CHARACTER('\r', SQL_C_LINE), SQL_CHARACTER('\n', SQL_C_LINE), \
	SQL_CHARACTER('\'', SQL_C_QUOTE), SQL_CHARACTER('"', SQL_C_DOUBLE), SQL_CHARACTER('$', SQL_C_DOLLAR), SQL_CHARACTER('.', SQL_C_DOT), \
	SQL_CHARACTER('+', SQL_C_PLUS), SQL_CHARACTER('-', SQL_C_MINUS), SQL_CHARACTER('/', SQL_C_SLASH), SQL_CHARACTER('*', SQL_C_STAR), \
	SQL_CHARACTER('\\', SQL_C_BACKSLASH), SQL_CHARACTER(',', SQL_C_COMMA), SQL_CHARACTER('(', SQL_C_OPEN), SQL_CHARACTER(')', SQL_C_CLOSE), \
	SQL_CHARACTER(';', SQL_C_SEMICOLON), SQL_CHARACTER('?', SQL_C_QUESTION), SQL_CHARACTER('_', SQL_C_NAME), \
	SQL_FOUR(SQL_CHARACTER, '0', SQL_C_DIGIT), SQL_FOUR(SQL_CHARACTER, '4', SQL_C_DIGIT), SQL_CHARACTER('8', SQL_C_DIGIT), \
	SQL_CHARACTER('9', SQL_C_DIGIT), \
	SQL_LETTER('a'), SQL_LETTER('b'), SQL_LETTER('c'), SQL_LETTER('d'), ['E'] = 'e' | SQL_C_E << 8, ['e'] = 'e' | SQL_C_E << 8, \
	SQL_SIX_LETTERS('f'), SQL_SIX_LETTERS('l'), SQL_SIX_LETTERS('r'), SQL_LETTER('x'), SQL_LETTER('y'), SQL_LETTER('z'), \
	SQL_SIXTEEN(SQL_CHARACTER, 0x80, SQL_C_NAME), SQL_SIXTEEN(SQL_CHARACTER, 0x90, SQL_C_NAME), \
	SQL_SIXTEEN(SQL_CHARACTER, 0xa0, SQL_C_NAME), SQL_SIXTEEN(SQL_CHARACTER, 0xb0, SQL_C_NAME), \
	SQL_SIXTEEN(SQL_CHARACTER, 0xc0, SQL_C_NAME), SQL_SIXTEEN(SQL_CHARACTER, 0xd0, SQL_C_NAME), \
	SQL_SIXTEEN(SQL_CHARACTER, 0xe0, SQL_C_NAME), SQL_SIXTEEN(SQL_CHARACTER, 0xf0, SQL_C_NAME)

static const __u16 sql_characters[1 << SQL_DIALECT_BITS][256] = {
	[OUTRIDER_SQL_POSTGRESQL] = {SQL_CHARACTERS},
	[OUTRIDER_SQL_MYSQL] = {SQL_CHARACTERS, SQL_CHARACTER('"', SQL_C_TEXT), SQL_CHARACTER('`', SQL_C_DOUBLE), SQL_CHARACTER('#', SQL_C_HASH), SQL_CHARACTER('!', SQL_C_BANG),
				 SQL_CHARACTER('\r', SQL_C_SPACE)}, /* no end of a comment */
	[OUTRIDER_SQL_SQLITE] = {SQL_CHARACTERS, SQL_CHARACTER('`', SQL_C_DOUBLE), SQL_CHARACTER('[', SQL_C_DOUBLE), SQL_CHARACTER('\r', SQL_C_SPACE),
				  SQL_CHARACTER(':', SQL_C_PARAMETER), SQL_CHARACTER('@', SQL_C_PARAMETER), SQL_CHARACTER('#', SQL_C_PARAMETER)},
};

#ifdef __clang__
#pragma clang diagnostic pop
#else
#pragma GCC diagnostic pop
#endif

#undef T

/* All tables in one, for those in a hurry: (dialect, state, character) -> a step. */
#define SQL_STEP_SHIFT 0x3fu       /* by how much the word moves on for the character */
#define SQL_STEP_EVENT (1u << 6)
#define SQL_STEP_NONE (1u << 7)
#define SQL_STEP_STATE (((1u << SQL_STATE_BITS) - 1) << 10) /* the next one: where its row begins, in bytes */
#define SQL_STEP_STATE_AT 10
#define SQL_STEP_SYMBOL_AT 20
#define SQL_DIALECT_AT (SQL_STEP_STATE_AT + SQL_STATE_BITS) /* where the dialect's rows begin, in bytes */
#define SQL_STEPS ((1u << SQL_DIALECT_BITS << SQL_STATE_BITS) * 256)

static inline __u32 sql_step_of(__u32 dialect, __u32 state, __u32 byte)
{
	__u32 c = sql_characters[dialect][byte] & 0xff;
	__u32 entry = sql_table[dialect][state][sql_characters[dialect][byte] >> 8];
	__u32 next = (entry & ((1u << SQL_STATE_BITS) - 1)) << SQL_STEP_STATE_AT;

	switch (entry >> SQL_STATE_BITS) {
	case SQL_A_NONE: return next | SQL_STEP_NONE;
	case SQL_A_CONTINUE: return next | 8 | c << SQL_STEP_SYMBOL_AT;
	case SQL_A_BEGIN: return next | 16 | (c | SQL_BEGINS) << SQL_STEP_SYMBOL_AT;
	case SQL_A_OPERATOR: return next | 8 | (c | SQL_IS_OPERATOR) << SQL_STEP_SYMBOL_AT;
	case SQL_A_LITERAL: return next | SQL_IS_LITERAL << SQL_STEP_SYMBOL_AT;
	}
	return SQL_STEP_EVENT;
}

#endif
