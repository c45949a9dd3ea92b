#!/usr/bin/env python3
"""Reads the control file of a libFuzzer merge and prints the inputs outside the first folder that reach most code
which none before them reached: pick_inputs.py CONTROL_FILE HOW_MANY."""
import sys


def main():
    with open(sys.argv[1], encoding='utf-8') as control:
        lines = control.read().splitlines()
    count, in_first = int(lines[0]), int(lines[1])
    names = lines[2:2 + count]
    gains = []
    for line in lines[2 + count:]:
        words = line.split()
        if words[0] == 'COV' and int(words[1]) >= in_first and len(words) > 2:
            gains.append((len(words) - 2, names[int(words[1])]))
    for _, name in sorted(gains, reverse=True)[:int(sys.argv[2])]:
        print(name)


if __name__ == '__main__':
    main()
