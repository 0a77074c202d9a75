package tensorcore

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// encodeAttributes returns the attribute struct of an operation as JSON: an
// object with one member a field, floats as strings, so that infinities have
// a form and no digit is lost, and rules and kinds by their names.
func encodeAttributes(op backend.Op) (json.RawMessage, error) {
	v, err := toJSON(reflect.ValueOf(op))
	if err != nil {
		return nil, fmt.Errorf("tensorcore: attributes of %s: %w", op.OpName(), err)
	}
	return json.Marshal(v)
}

func toJSON(v reflect.Value) (any, error) {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b), err
	}
	switch v.Kind() {
	case reflect.Struct:
		o := map[string]any{}
		for i := range v.NumField() {
			x, err := toJSON(v.Field(i))
			if err != nil {
				return nil, err
			}
			o[v.Type().Field(i).Name] = x
		}
		return o, nil
	case reflect.Array:
		l := make([]any, v.Len())
		for i := range l {
			x, err := toJSON(v.Index(i))
			if err != nil {
				return nil, err
			}
			l[i] = x
		}
		return l, nil
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return v.Uint(), nil
	}
	return nil, fmt.Errorf("a field of type %v", v.Type())
}

// decodeAttributes returns the operation of a name with attributes that
// encodeAttributes wrote. Members must be the struct's fields, all of them.
func decodeAttributes(name string, raw json.RawMessage) (backend.Op, error) {
	prototype := graph.Prototype(name)
	if prototype == nil {
		return nil, fmt.Errorf("unknown operation %q", name)
	}
	v := reflect.New(reflect.TypeOf(prototype)).Elem()
	if err := fromJSON(v, raw); err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", name, err)
	}
	op, ok := v.Interface().(backend.Op)
	if !ok {
		return nil, fmt.Errorf("unknown operation %q", name)
	}
	return op, nil
}

// fromJSON fills v, which is addressable. Its depth is that of the type.
func fromJSON(v reflect.Value, raw json.RawMessage) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		return u.UnmarshalText([]byte(s))
	}
	switch v.Kind() {
	case reflect.Struct:
		var o map[string]json.RawMessage
		if err := json.Unmarshal(raw, &o); err != nil {
			return err
		}
		if len(o) != v.NumField() {
			return fmt.Errorf("%d members, want %d", len(o), v.NumField())
		}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			member, ok := o[name]
			if !ok {
				return fmt.Errorf("no member %s", name)
			}
			if err := fromJSON(v.Field(i), member); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case reflect.Array:
		var l []json.RawMessage
		if err := json.Unmarshal(raw, &l); err != nil {
			return err
		}
		if len(l) != v.Len() {
			return fmt.Errorf("%d values, want %d", len(l), v.Len())
		}
		for i := range l {
			if err := fromJSON(v.Index(i), l[i]); err != nil {
				return err
			}
		}
		return nil
	case reflect.Float32, reflect.Float64:
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		f, err := strconv.ParseFloat(s, v.Type().Bits())
		if err != nil || math.IsNaN(f) {
			return fmt.Errorf("%q is no number", s)
		}
		v.SetFloat(f)
		return nil
	case reflect.Bool, reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return json.Unmarshal(raw, v.Addr().Interface())
	}
	return fmt.Errorf("a field of type %v", v.Type())
}
