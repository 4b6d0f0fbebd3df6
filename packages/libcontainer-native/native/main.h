/* The programs of the static binary. They are weak, so that a build without one of them links and says so at run time. */
#ifndef DRAY_MAIN_H
#define DRAY_MAIN_H

__attribute__((weak)) int dray_init_main(int argc, char **argv);
__attribute__((weak)) int dray_monitor_main(int argc, char **argv);
__attribute__((weak)) int dray_logger_main(int argc, char **argv);
__attribute__((weak)) int dray_hello_main(int argc, char **argv);

#endif
