// The parts of other people's tools that the tests of `manifests/` need: Helm's template engine, and the Lua that Argo CD
// runs health rules with. A request comes as JSON on stdin, the answer goes as JSON to stdout; an error goes to stderr.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	commands := map[string]func(*json.Decoder) (any, error){"helm": renderChart, "lua": runRule}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		return fmt.Errorf("usage: packaging helm|lua")
	}
	answer, err := commands[os.Args[1]](json.NewDecoder(os.Stdin))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}
