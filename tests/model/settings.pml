/* The configuration, and the rule that a search shall break, come from the environment: each model is compiled once.
   SETTINGS and RULES list their names. */

#define AS_SETTING(name) SETTING_##name,
#define AS_RULE(name) RULE_##name,
#define AS_TEXT(name) #name,

c_decl {
  \#include <stdlib.h>
  \#include <string.h>
  enum { SETTINGS(AS_SETTING) SETTINGS_END };
  enum { NO_RULE, RULES(AS_RULE) RULES_END };
  static int settings[SETTINGS_END];
  static int broken_rule;
  static void read_settings(void) {
    static const char *const names[] = { SETTINGS(AS_TEXT) };
    static const char *const rules[] = { "", RULES(AS_TEXT) };
    const char *broken = getenv("BROKEN");
    int i;
    for (i = 0; i < SETTINGS_END; ++i) settings[i] = getenv(names[i]) ? atoi(getenv(names[i])) : 0;
    for (i = 1; broken && i < RULES_END; ++i) if (strcmp(rules[i], broken) == 0) broken_rule = i;
    if (broken && *broken && !broken_rule) {
      fprintf(stderr, "no such rule: %s\n", broken);
      exit(2);
    }
  }
};

#define SETTING(name) c_expr { settings[SETTING_##name] }
#define BROKEN(rule) c_expr { broken_rule == RULE_##rule }
#define PROMISE(holds, text) if :: holds :: else -> c_code { uerror(text); } fi
