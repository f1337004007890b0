/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "config_table.h"

#define TEXT_COLUMNS 80 /* of help: the narrowest terminal people use */
#define TEXT_INDENT  6

static void print_json_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void print_list(FILE *out, const struct config_list *list)
{
	fputc('[', out);
	for (uint32_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "", out);
		print_json_text(out, list->text[i]);
	}
	fputc(']', out);
}

/* As JSON: what is read back is the same value. */
static void print_value(FILE *out, const struct config *c, const struct config_option *o)
{
	const void *member = config_member_const(c, o);
	char text[CONFIG_NUMBER_MAX];
	int64_t number;

	if (config_type_is_number(o->type)) {
		memcpy(&number, member, sizeof(number));
		config_number_text(o->type, number, text);
		fprintf(out, strpbrk(text, "KMGT") ? "\"%s\"" : "%s", text);
	} else if (o->type == CONFIG_BOOL) {
		fputs(*(const bool *)member ? "true" : "false", out);
	} else if (config_type_is_text(o->type)) {
		print_json_text(out, member);
	} else if (o->type == CONFIG_PROCEDURES) {
		config_procedures_print(member, out);
	} else {
		print_list(out, member);
	}
}

void config_print_json(const struct config *c, FILE *out)
{
	fputs("{\n", out);
	for (size_t i = 0; i < config_options_count; i++) {
		fprintf(out, "    \"%s\": ", config_options[i].key);
		print_value(out, c, &config_options[i]);
		fputs(i + 1 < config_options_count ? ",\n" : "\n", out);
	}
	fputs("}\n", out);
}

void config_print_sample(FILE *out)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return;
	config_default(c);
	config_print_json(c, out);
	free(c);
}

/* "100..60000 ms", "text", ... */
static void print_range(FILE *out, const struct config_option *o)
{
	static const char *const words[] = {
		[CONFIG_BOOL] = "true or false",
		[CONFIG_PATH] = "path",
		[CONFIG_CGROUP] = "cgroup",
		[CONFIG_NAMES] = "list of names",
		[CONFIG_CGROUPS] = "list of cgroups",
		[CONFIG_PROCEDURES] = "list of procedures",
		[CONFIG_POLICY] = "relieve, barebone, reboot, poweroff or program",
		[CONFIG_POLICIES] = "list of CGROUP=POLICY",
		[CONFIG_FILES] = "list of files",
		[CONFIG_COMMS] = "list of names",
	};
	char low[CONFIG_NUMBER_MAX], high[CONFIG_NUMBER_MAX];
	const char *unit = config_type_unit(o->type);

	if (!config_type_is_number(o->type)) {
		fputs(words[o->type], out);
		return;
	}
	config_number_text(o->type, o->min, low);
	config_number_text(o->type, o->max, high);
	fprintf(out, "%s..%s%s%s", low, high, *unit ? " " : "", unit);
}

static void print_wrapped(FILE *out, const char *text)
{
	size_t column = TEXT_COLUMNS;

	while (*text != '\0') {
		size_t length = strcspn(text, " ");

		if (column + 1 + length >= TEXT_COLUMNS) {
			fprintf(out, "%s%*s", column == TEXT_COLUMNS ? "" : "\n", TEXT_INDENT, "");
			column = TEXT_INDENT;
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

static bool begins_group(const struct config_option *o)
{
	return o == config_options || strcmp(o->group, o[-1].group) != 0;
}

void config_print_help(FILE *out)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return;
	config_default(c);
	for (const struct config_option *o = config_options;
	     o < config_options + config_options_count; o++) {
		if (begins_group(o))
			fprintf(out, "%s%s:\n", o == config_options ? "" : "\n", o->group);
		fprintf(out, "  %s  ", o->key);
		print_range(out, o);
		fputs(", default ", out);
		print_value(out, c, o);
		fputc('\n', out);
		print_wrapped(out, o->text);
	}
	free(c);
}

/* A line of roff: a leading dot or quote, backslashes and hyphens are escaped. */
static void print_roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text != '\0'; text++)
		fprintf(out, *text == '\\' ? "\\e" : *text == '-' ? "\\-" : "%c", *text);
	fputc('\n', out);
}

void config_print_man(FILE *out)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return;
	config_default(c);
	for (const struct config_option *o = config_options;
	     o < config_options + config_options_count; o++) {
		if (begins_group(o))
			fprintf(out, ".SS %s\n", o->group);
		fprintf(out, ".TP\n.B %s\n(", o->key);
		print_range(out, o);
		fputs("; default ", out);
		print_value(out, c, o);
		fputs(")\n.br\n", out);
		print_roff(out, o->text);
	}
	free(c);
}
