#ifndef INTERRUPTION_H
#define INTERRUPTION_H

/*
 * SIGINT, SIGTERM and SIGHUP, by handlers: a program that is started has the default actions again, so that
 * these signals still end it. libfuse and others leave alone what they inherit as ignored.
 */

/* From now on these signals are only noted. SIGHUP stays ignored if it is, as nohup(1) wants it. */
void interruption_catch(void);

/* Returns 1 if one of them came, and 0 otherwise. */
int interruption_came(void);

#endif
