package program

import (
	"bytes"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/plan"
)

// Stats are what a program, or a package of it, amounts to.
type Stats struct{ Files, Lines, Types, Methods int }

// Stats counts all packages.
func (p *Program) Stats() Stats {
	var sum Stats
	for i := range p.Packages {
		s := p.PackageStats(i)
		sum.Files, sum.Lines, sum.Types, sum.Methods = sum.Files+s.Files, sum.Lines+s.Lines, sum.Types+s.Types, sum.Methods+s.Methods
	}
	return sum
}

// PackageStats counts what is in a package, by its number among Packages.
func (p *Program) PackageStats(i int) Stats {
	var s Stats
	for _, f := range p.Files[i] {
		if strings.HasSuffix(f.Name, ".go") {
			s.Files++
			s.Lines += bytes.Count(f.Code, []byte("\n"))
		}
	}
	for _, f := range p.Packages[i].Files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *plan.Struct, *plan.Union, *plan.Params, *plan.Alias:
				s.Types++
			case *plan.Strings:
				if d.Name != "" {
					s.Types++
				}
			case *plan.Method:
				s.Methods++
			}
		}
	}
	return s
}
