/* SPDX-License-Identifier: MIT */
/* Pages: what failsoft-fleet serves, path by path. Pure but for memory; page_html is made at build time. */
#pragma once

#include "api.h"
#include "metrics.h"
#include "web.h"

extern const char page_html[], page_policy[];
extern const unsigned long page_html_length;

void pages_answer(const struct api *api, const struct metrics *metrics, const struct web_request *request,
		  struct web_answer *ret);
