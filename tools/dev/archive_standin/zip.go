// Writes a zip to standard output from a JSON object {name: content} on standard input.
//
// The real provider is written in Go. Its zip is a function of the sorted entries and of Go's compression, so this
// program of the standard library alone gives the same bytes, where Python's zlib would not.
package main

import (
	"archive/zip"
	"encoding/json"
	"log"
	"os"
	"slices"
)

func main() {
	entries := map[string]string{}
	must(json.NewDecoder(os.Stdin).Decode(&entries))
	names := []string{}
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)

	archive := zip.NewWriter(os.Stdout)
	for _, name := range names {
		file, err := archive.Create(name)
		must(err)
		_, err = file.Write([]byte(entries[name]))
		must(err)
	}
	must(archive.Close())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
