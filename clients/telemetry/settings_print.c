/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "settings.h"

#define COLUMNS 80 /* the narrowest terminal people use */
#define INDENT	6

static void print_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			fprintf(out, "\\u%04x", *text);
		else
			fputc(*text, out);
	fputc('"', out);
}

/* As JSON: what is read back is the same value. */
static void print_value(FILE *out, const struct settings *s, const struct settings_option *o)
{
	const void *member = (const char *)s + o->at;
	char word[32];

	switch (o->type) {
	case SETTINGS_TEXT:
		print_text(out, member);
		return;
	case SETTINGS_SERVERS:
		fputc('[', out);
		for (uint64_t i = 0; i < s->servers; i++) {
			fputs(i ? ", " : "", out);
			print_text(out, s->server[i]);
		}
		fputc(']', out);
		return;
	case SETTINGS_WORD:
		settings_word(o, *(const uint64_t *)member, word);
		print_text(out, word);
		return;
	case SETTINGS_MS:
		fprintf(out, "%" PRIu64, *(const uint64_t *)member / 1000);
		return;
	case SETTINGS_COUNT:
	case SETTINGS_S:
	case SETTINGS_BYTES:
		fprintf(out, "%" PRIu64, *(const uint64_t *)member);
		return;
	}
}

void settings_print_json(const struct settings *s, FILE *out)
{
	fputs("{\n", out);
	for (size_t i = 0; i < settings_options_count; i++) {
		fprintf(out, "    \"%s\": ", settings_options[i].key);
		print_value(out, s, &settings_options[i]);
		fputs(i + 1 < settings_options_count ? ",\n" : "\n", out);
	}
	fputs("}\n", out);
}

static void print_range(FILE *out, const struct settings_option *o)
{
	static const char *const unit[] = {
		[SETTINGS_S] = " s", [SETTINGS_MS] = " ms", [SETTINGS_BYTES] = " bytes"};

	if (o->type == SETTINGS_TEXT)
		fputs("text", out);
	else if (o->type == SETTINGS_SERVERS)
		fprintf(out, "list of %" PRIu64 " to %" PRIu64 " HOST:PORT", o->min, o->max);
	else if (o->type == SETTINGS_WORD)
		for (const char *c = o->words; *c; c++)
			fputs(*c == '|' ? " or " : (char[2]){*c, 0}, out);
	else
		fprintf(out, "%" PRIu64 "..%" PRIu64 "%s", o->min, o->max,
			o->type == SETTINGS_COUNT ? "" : unit[o->type]);
}

static void print_wrapped(FILE *out, const char *text)
{
	size_t column = COLUMNS;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column + 1 + length >= COLUMNS) {
			fprintf(out, "%s%*s", column == COLUMNS ? "" : "\n", INDENT, "");
			column = INDENT;
		} else {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, length, out);
		column += length;
		text += length + strspn(text + length, " ");
	}
	fputc('\n', out);
}

static bool begins_group(const struct settings_option *o)
{
	return o == settings_options || strcmp(o->group, o[-1].group) != 0;
}

void settings_print_help(FILE *out)
{
	struct settings s;

	settings_default(&s);
	for (const struct settings_option *o = settings_options;
	     o < settings_options + settings_options_count; o++) {
		if (begins_group(o))
			fprintf(out, "%s%s:\n", o == settings_options ? "" : "\n", o->group);
		fprintf(out, "  %s  ", o->key);
		print_range(out, o);
		fputs(", default ", out);
		print_value(out, &s, o);
		fputc('\n', out);
		print_wrapped(out, o->text);
	}
}

/* A line of roff: a leading dot or quote, backslashes and hyphens are escaped. */
static void print_roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++)
		fprintf(out, *text == '\\' ? "\\e" : *text == '-' ? "\\-" : "%c", *text);
	fputc('\n', out);
}

void settings_print_man(FILE *out)
{
	struct settings s;

	settings_default(&s);
	for (const struct settings_option *o = settings_options;
	     o < settings_options + settings_options_count; o++) {
		if (begins_group(o))
			fprintf(out, ".SS %s\n", o->group);
		fprintf(out, ".TP\n.B %s\n(", o->key);
		print_range(out, o);
		fputs("; default ", out);
		print_value(out, &s, o);
		fputs(")\n.br\n", out);
		print_roff(out, o->text);
	}
}
