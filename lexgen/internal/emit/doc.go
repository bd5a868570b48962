// Package emit renders a plan as Go.
package emit
