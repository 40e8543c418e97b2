package weir

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Problem is a fault in the configuration.
type Problem struct {
	// Pointer is an RFC 6901 pointer into it, such as /hosts/0; "" for the whole.
	Pointer string
	// Message is for whoever wrote the configuration.
	Message string
}

func (problem Problem) Error() string {
	if problem.Pointer == "" {
		return problem.Message
	}
	return problem.Pointer + ": " + problem.Message
}

// parse reads the JSON text of a configuration over its defaults, or says what is wrong and where. The package json stops at the
// first fault and does not say where an unknown key stands, so that is looked at before.
func parse[Config any](text string, defaults Config) (Config, []Problem) {
	if strings.TrimSpace(text) == "" {
		return defaults, nil
	}
	var value any
	if fault := json.Unmarshal([]byte(text), &value); fault != nil {
		return defaults, []Problem{{"", fault.Error()}}
	}
	if value == nil {
		return defaults, nil
	}
	var problems []Problem
	check(value, reflect.TypeOf(&defaults).Elem(), "", &problems)
	if len(problems) > 0 {
		return defaults, problems
	}
	if fault := json.Unmarshal([]byte(text), &defaults); fault != nil {
		return defaults, []Problem{{"", fault.Error()}}
	}
	return defaults, nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// check compares a value with the type that it is to become.
func check(value any, wanted reflect.Type, pointer string, problems *[]Problem) {
	if wanted.Implements(unmarshaler) || reflect.PointerTo(wanted).Implements(unmarshaler) {
		return
	}
	wrong := func(expected string) {
		message := fmt.Sprintf("invalid type: %s, expected %s", kindOf(value), expected)
		*problems = append(*problems, Problem{pointer, message})
	}
	switch wanted.Kind() {
	case reflect.Pointer:
		if value != nil {
			check(value, wanted.Elem(), pointer, problems)
		}
	case reflect.Struct, reflect.Map:
		object, is := value.(map[string]any)
		if !is {
			wrong("an object")
			return
		}
		checkObject(object, wanted, pointer, problems)
	case reflect.Slice, reflect.Array:
		list, is := value.([]any)
		if !is {
			wrong("a list")
			return
		}
		for index, item := range list {
			check(item, wanted.Elem(), fmt.Sprintf("%s/%d", pointer, index), problems)
		}
	case reflect.String:
		if _, is := value.(string); !is {
			wrong("a string")
		}
	case reflect.Bool:
		if _, is := value.(bool); !is {
			wrong("a boolean")
		}
	case reflect.Interface:
	default:
		number, is := value.(float64)
		if !is {
			wrong("a number")
		} else if !fits(number, wanted) {
			*problems = append(*problems, Problem{pointer, fmt.Sprintf("invalid value: %v, expected %s", number, wanted.Kind())})
		}
	}
}

func checkObject(object map[string]any, wanted reflect.Type, pointer string, problems *[]Problem) {
	fields, names := map[string]reflect.Type{}, []string{}
	if wanted.Kind() == reflect.Struct {
		for _, field := range reflect.VisibleFields(wanted) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !field.IsExported() || field.Anonymous || name == "-" {
				continue
			}
			if name == "" {
				name = field.Name
			}
			fields[name] = field.Type
			names = append(names, "`"+name+"`")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		item := object[key]
		place := pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		if wanted.Kind() == reflect.Map {
			check(item, wanted.Elem(), place, problems)
		} else if type_, known := fields[key]; known {
			check(item, type_, place, problems)
		} else if len(names) == 0 {
			*problems = append(*problems, Problem{place, fmt.Sprintf("unknown field `%s`, there are none", key)})
		} else {
			message := fmt.Sprintf("unknown field `%s`, expected one of %s", key, strings.Join(names, ", "))
			*problems = append(*problems, Problem{place, message})
		}
	}
}

func fits(number float64, wanted reflect.Type) bool {
	zero := reflect.Zero(wanted)
	switch {
	case zero.CanFloat():
		return true
	case number != math.Trunc(number) || math.Abs(number) > 1<<53:
		return false
	case zero.CanInt():
		return !zero.OverflowInt(int64(number))
	case zero.CanUint():
		return number >= 0 && !zero.OverflowUint(uint64(number))
	default:
		return false
	}
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
