/* Where a process of lockkit can stand: its next system call. */

#define OPEN_GUARD 2
#define CREATE_GUARD 3
#define LOCK_GUARD 4
#define WRITE_RECORD 5
#define LINK 6
#define EXAMINE 7
#define OPEN_ORPHAN 8
#define READ_ORPHAN 9
#define LOCK_ORPHAN 10
#define COMPARE_ORPHAN 11
#define READ_ORPHAN_AGAIN 12
#define UNLINK_ORPHAN 13
#define CLOSE_ORPHAN 14
#define CLOSE_FOREIGN 15
#define BEHIND_FOREIGN 16
#define INSIDE 17
#define UNLINK 18
#define UNLOCK 19
#define CLOSE_GUARD 20
#define RESTART 21
#define CLOSE_DEAD_GUARD 22
/* rule 6 */
#define UNLINK_OLD_OWN 30
#define CREATE_OWN 31
#define LOCK_OWN 32
#define WRITE_OWN 33
#define RENAME_OWN 34
#define LOCK_OWN_LATE 35
#define UNLOCK_OWN 36
#define CREATE_P 37
#define LOCK_P 38
#define WRITE_P 39
#define READ_NOTE 40
#define WRITE_NOTE 41
#define LOOK_FOR_GUARD 42
/* a guard's removal */
#define COMPARE_GUARD_NAME 50
#define UNLINK_GUARD 51
/* rule 11 */
#define VERIFY_NAME 60
/* rule 2 */
#define CHECK_NAME 70
#define CHECK_MARK 71
#define CHECK_AGAIN 72
#define COUNT_NAMES 73
#define COMPARE_GUARD 74
#define WRITE_OVER 75
